"""Stage one: adds a whole conversation to a memory, session by session with its dates.

Each conversation has a store of its own, which later runs with the same experts reuse. Its `progress.jsonl` lists the finished
sessions; an interrupted one is finished by the memory itself, since `add` skips known messages.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_memlora.bundles import Bundle
from langchain_memlora.lab.evaluation.conversations import Conversation
from langchain_memlora.lab.evaluation.fingerprint import store_key
from langchain_memlora.lab.evaluation.runs import append_lines, read_lines
from langchain_memlora.types import AddResult, Turn

if TYPE_CHECKING:
    from langchain_memlora.memory.memory import MemLoRAMemory

PROGRESS = "progress.jsonl"
LEFT_OVER = -1
"""Session number for the work left by an interrupted run."""


def store_path(stores: Path, bundle: Bundle, conversation: Conversation, embedder: str) -> Path:
    """Return the store of a conversation as these experts remember it."""
    name = re.sub(r"[^\w.-]+", "-", conversation.id)
    return stores / f"{name}-{store_key(bundle, conversation, embedder)}"


def is_ingested(store: Path, conversation: Conversation) -> bool:
    """Return whether all sessions are finished."""
    return set(range(len(conversation.sessions))) <= {row["session"] for row in read_lines(store / PROGRESS)}


def ingest(
    memory: MemLoRAMemory,
    store: Path,
    conversation: Conversation,
    on_turns: Callable[[int], None] = lambda count: None,
) -> None:
    """Add a conversation to the memory in `store`, from where it stopped.

    Args:
        on_turns: Called after each session with its number of turns.
    """
    done = {row["session"] for row in read_lines(store / PROGRESS)}
    if memory.ledger.jobs("pending") and LEFT_OVER not in done:
        start = time.perf_counter()
        _note(store, LEFT_OVER, 0, memory.retry(), time.perf_counter() - start)
    for number, session in enumerate(conversation.sessions):
        if number not in done:
            start = time.perf_counter()
            result = memory.add(
                [_as_message(turn) for turn in session], user_id=conversation.id, observed_at=session[0].observed_at
            )
            _note(store, number, len(session), result, time.perf_counter() - start)
        on_turns(len(session))


def ingestion_cost(store: Path) -> dict[str, Any]:
    """Return the cost of filling a store: turns, operations, failures, and tokens and seconds by stage."""
    stages: dict[str, Counter[str]] = {}
    events: Counter[str] = Counter()
    failures: Counter[str] = Counter()
    turns, seconds = 0, 0.0
    for row in read_lines(store / PROGRESS):
        turns, seconds = turns + row["turns"], seconds + row["seconds"]
        events.update(row["events"])
        failures.update(row["failures"])
        for usage in row["usage"]:
            stages.setdefault(usage["stage"], Counter()).update(
                {key: usage[key] for key in ("calls", "prompt_tokens", "completion_tokens", "seconds")}
            )
    return {
        "turns": turns,
        "seconds": seconds,
        "events": dict(events),
        "failures": dict(failures),
        "stages": {stage: dict(cost) for stage, cost in stages.items()},
    }


def _as_message(turn: Turn) -> dict[str, str]:
    name = {"name": turn.speaker} if turn.speaker else {}
    return {"role": turn.role, "content": turn.text, "id": turn.message_id, **name}


def _note(store: Path, session: int, turns: int, result: AddResult, seconds: float) -> None:
    append_lines(
        store / PROGRESS,
        [
            {
                "session": session,
                "turns": turns,
                "seconds": round(seconds, 3),
                "events": Counter(str(operation.event) for operation in result.operations),
                "failures": Counter(failure.kind for failure in result.errors),
                "usage": [asdict(usage) for usage in result.usage],
            }
        ],
    )
