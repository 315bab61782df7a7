"""Reads, through the public verbs, all that the panels show of one user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from langchain_memlora.types import Event, Memory, MemoryState, Operation, Turn

if TYPE_CHECKING:
    from langchain_memlora.memory.memory import MemLoRAMemory

HISTORY_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What is known of a user.

    Attributes:
        memories: Current ones, latest change first.
        forgotten: Deleted ones, which can be brought back, latest first.
        history: The newest operations, newest first, `HISTORY_SHOWN` at most.
        operations: How many operations there were in all.
        before: For each memory whose last change can be undone, what it said before.
        turns: The messages that memories and operations came from, by id.
    """

    memories: tuple[Memory, ...]
    forgotten: tuple[Memory, ...]
    history: tuple[Operation, ...]
    operations: int
    before: Mapping[str, str]
    turns: Mapping[str, Turn]


def read_knowledge(memory: MemLoRAMemory, user_id: str) -> Knowledge:
    """Read it."""
    everything = sorted(memory.get_all(user_id=user_id, deleted=True), key=lambda m: m.updated_at, reverse=True)
    current = tuple(m for m in everything if m.state is MemoryState.ACTIVE)
    history = memory.history(user_id=user_id)
    newest = tuple(history[::-1][:HISTORY_SHOWN])
    sources = [turn_id for m in current for turn_id in m.turn_ids] + [o.turn_id for o in newest if o.turn_id]
    return Knowledge(
        memories=current,
        forgotten=tuple(m for m in everything if m.state is MemoryState.DELETED),
        history=newest,
        operations=len(history),
        before=_said_before(history),
        turns={turn.id: turn for turn in memory.turns(sources, user_id=user_id)},
    )


def _said_before(history: Sequence[Operation]) -> dict[str, str]:
    """What each memory would say if its last change were undone; restoring takes the newest text off again."""
    texts: dict[str, list[str]] = {}
    for operation in history:
        told = texts.setdefault(operation.memory_id or "", [])
        if operation.event not in (Event.ADD, Event.UPDATE):
            continue
        if operation.by != "restore":
            told.append(operation.after or "")
        elif operation.event is Event.UPDATE:
            told.pop()
    return {memory_id: told[-2] for memory_id, told in texts.items() if len(told) > 1}
