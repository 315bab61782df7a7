"""Extraction windows with their annotated facts: read anew by an expert, or taken from a memory that has read them."""

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


def cut_conversation(conversation: Conversation, *, new_turns: int, context_turns: int) -> list[Window]:
    """The windows that `add` makes of a conversation told session by session."""
    return [
        window
        for session in conversation.sessions
        for window in cut_windows(
            [replace(turn, id=turn.message_id) for turn in session], new_turns=new_turns, context_turns=context_turns
        )
    ]


def read_windows(
    experts: Experts,
    conversation: Conversation,
    windows: Sequence[Window],
    on_windows: Callable[[int], None] = lambda count: None,
) -> tuple[list[ReadWindow], list[Usage]]:
    """Let the extraction expert read windows of `cut_conversation`, some at a time."""
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
    """The windows that a memory read while it was told the conversation, from its own record."""
    by_turn: dict[str, list[Operation]] = {}
    for operation in memory.history(user_id=conversation.id):
        if operation.by == "expert" and operation.fact and operation.turn_id:
            by_turn.setdefault(operation.turn_id, []).append(operation)
    read = []
    for job in memory.ledger.jobs("done", "failed", "pending"):
        turns = memory.ledger.turns(job.turns)
        told = [operation for key in job.turns for operation in by_turn.get(key, ())]
        predicted = tuple(operation.fact.removeprefix(FORGET_PREFIX) for operation in told)
        gold = annotated(conversation, [turns[key] for key in job.turns])
        read.append(ReadWindow(gold, predicted, valid=job.status == "done"))
    return read


def annotated(conversation: Conversation, turns: Iterable[Turn]) -> tuple[tuple[str, str | None], ...]:
    """The facts these turns tell, each once, with the speaker of the turn that tells it."""
    speakers = {turn.message_id: turn.speaker for turn in turns}
    told = [(fact.text, speakers[fact.message_id]) for fact in conversation.facts if fact.message_id in speakers]
    return tuple(dict(reversed(told)).items())[::-1]
