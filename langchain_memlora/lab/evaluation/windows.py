"""Extraction windows with their annotated facts, read by an expert or taken from a memory that has read them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from langchain_memlora.experts import Experts, Window, cut_windows
from langchain_memlora.lab.evaluation.conversations import Conversation
from langchain_memlora.lab.evaluation.metrics.facts import ReadWindow
from langchain_memlora.types import FORGET_PREFIX, Operation, Turn, Usage

if TYPE_CHECKING:
    from langchain_memlora.memory.memory import MemLoRAMemory

GROUP = 8


def cut_conversation(conversation: Conversation, experts: Experts) -> list[Window]:
    """Return the windows that `add` makes of a conversation, session by session."""
    spec = experts.bundle.card.window
    return [
        window
        for session in conversation.sessions
        for window in cut_windows(
            [replace(turn, id=turn.message_id) for turn in session],
            new_turns=spec.new_turns,
            context_turns=spec.context_turns,
            whole_messages=experts.dialect.whole_messages,
        )
    ]


def read_windows(
    experts: Experts,
    conversation: Conversation,
    windows: Sequence[Window],
    on_windows: Callable[[int], None] = lambda count: None,
) -> tuple[list[ReadWindow], list[Usage]]:
    """Have the extraction expert read windows of `cut_conversation`, in groups."""
    read, usage = [], []
    for first in range(0, len(windows), GROUP):
        group = windows[first : first + GROUP]
        extractions, cost = experts.extract(group)
        usage.append(cost)
        for window, extraction in zip(group, extractions, strict=True):
            predicted = tuple(fact.text for fact in extraction.parsed.facts)
            gold = annotated(conversation, window.turns)
            read.append(ReadWindow(gold, predicted, valid=not extraction.parsed.rejected))
        on_windows(len(group))
    return read, usage


def remembered_windows(memory: MemLoRAMemory, conversation: Conversation) -> list[ReadWindow]:
    """Return the windows that a memory read while the conversation was added, from its own record."""
    by_turn: dict[str, list[Operation]] = {}
    for operation in memory.history(user_id=conversation.id):
        if operation.by == "expert" and operation.fact and operation.turn_id:
            by_turn.setdefault(operation.turn_id, []).append(operation)
    read = []
    for job in memory.ledger.jobs("done", "failed", "pending"):
        turns = memory.ledger.turns(job.turns, withheld=True)
        stated = [operation for key in job.turns for operation in by_turn.get(key, ())]
        predicted = tuple(operation.fact.removeprefix(FORGET_PREFIX) for operation in stated)
        gold = annotated(conversation, [turns[key] for key in job.turns])
        read.append(ReadWindow(gold, predicted, valid=job.status == "done"))
    return read


def annotated(conversation: Conversation, turns: Iterable[Turn]) -> tuple[tuple[str, str | None], ...]:
    """Return the annotated facts of turns, each once, with the speaker of its turn."""
    speakers = {turn.message_id: turn.speaker for turn in turns}
    found = [(fact.text, speakers[fact.message_id]) for fact in conversation.facts if fact.message_id in speakers]
    return tuple(dict(reversed(found)).items())[::-1]
