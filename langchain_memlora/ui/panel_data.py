"""The data of one user that the panels show, read through the public methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from langchain_memlora.types import Event, Memory, MemoryState, Operation, Turn

if TYPE_CHECKING:
    from langchain_memlora.memory.memory import MemLoRAMemory

HISTORY_SHOWN = 100


@dataclass(frozen=True, slots=True)
class PanelData:
    """The memories and history of a user.

    Attributes:
        memories: Current memories, latest change first.
        forgotten: Deleted memories, which can be restored, latest first.
        history: The newest operations, newest first, `HISTORY_SHOWN` at most, without texts that were deleted.
        operations: The total number of operations.
        before: The previous text of each memory whose last change can be undone.
        turns: The source messages of memories and operations, by id.
    """

    memories: tuple[Memory, ...]
    forgotten: tuple[Memory, ...]
    history: tuple[Operation, ...]
    operations: int
    before: Mapping[str, str]
    turns: Mapping[str, Turn]


def read_panel_data(memory: MemLoRAMemory, user_id: str) -> PanelData:
    """Read the data of a user."""
    everything = sorted(memory.get_all(user_id=user_id, deleted=True), key=lambda m: m.updated_at, reverse=True)
    current = tuple(m for m in everything if m.state is MemoryState.ACTIVE)
    history = memory.history(user_id=user_id, deleted=False)
    newest = tuple(history[::-1][:HISTORY_SHOWN])
    sources = [turn_id for m in current for turn_id in m.turn_ids] + [o.turn_id for o in newest if o.turn_id]
    return PanelData(
        memories=current,
        forgotten=tuple(m for m in everything if m.state is MemoryState.DELETED),
        history=newest,
        operations=len(history),
        before=_previous_texts(history),
        turns={turn.id: turn for turn in memory.turns(sources, user_id=user_id)},
    )


def _previous_texts(history: Sequence[Operation]) -> dict[str, str]:
    """Return the text each memory would have if its last change were undone; a restore removes the newest text."""
    texts: dict[str, list[str]] = {}
    for operation in history:
        own = texts.setdefault(operation.memory_id or "", [])
        if operation.event not in (Event.ADD, Event.UPDATE):
            continue
        if operation.by != "restore":
            own.append(operation.after or "")
        elif operation.event is Event.UPDATE:
            own.pop()
    return {memory_id: own[-2] for memory_id, own in texts.items() if len(own) > 1}
