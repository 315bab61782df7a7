"""The entries that an index holds, derived from the ledger: of changed items, or of everything of one user."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from langchain_memlora.indexes.base import Entry, Kind, entry_id
from langchain_memlora.ledger import MEMORY, TURN, Ledger, said, said_after
from langchain_memlora.passages import passages
from langchain_memlora.types import Memory, MemoryState, Scope, Turn


def changed_entries(ledger: Ledger, changed: Iterable[tuple[str, str]]) -> tuple[list[Entry], list[str]]:
    """Return the current entries of changed items, and the ids of the entries that no longer exist.

    Args:
        changed: The kind and id of each item, as `Ledger.changed_since` returns them.
    """
    changed = list(changed)
    memory_ids = [item for kind, item in changed if kind == MEMORY]
    turn_ids = [item for kind, item in changed if kind == TURN]
    entries = list(_of_memories(ledger.any_memories(memory_ids)))
    kept = {entry.item_id for entry in entries}
    removed = [entry_id(Kind.MEMORY, item) for item in memory_ids if item not in kept]
    turns = ledger.turns(turn_ids)
    before = ledger.previous_turns(list(turns))
    for turn in turns.values():
        entries += _of_turn(turn, before.get(turn.id))
    silent = [
        item for item in turn_ids if item not in turns or not turns[item].words.strip()
    ]  # erased, or edited to nothing
    removed += [entry_id(kind, item) for item in silent for kind in (Kind.TURN, Kind.WINDOW)]
    return entries, removed


def reranked_texts(entries: Iterable[Entry]) -> list[str]:
    """Return the texts that the second stage of a search compares: passages of memories and turns, not of windows."""
    return [part for entry in entries if entry.kind is not Kind.WINDOW for part in passages(entry.text)]


def entries_of_user(ledger: Ledger, user_id: str) -> list[Entry]:
    """Return all current entries of a user, of each kind in the order of the ledger."""
    scope = Scope(user_id)
    entries = list(_of_memories(ledger.memories(scope)))
    turns = ledger.all_turns(scope)
    before = ledger.previous_turns([turn.id for turn in turns])
    for turn in turns:
        entries += _of_turn(turn, before.get(turn.id))
    return entries


def _of_memories(memories: Iterable[Memory]) -> Iterator[Entry]:
    for memory in memories:
        if memory.state is MemoryState.ACTIVE:
            yield Entry(Kind.MEMORY, memory.id, memory.text, memory.scope, memory.observed_at)


def _of_turn(turn: Turn, before: Turn | None) -> Iterator[Entry]:
    if turn.words.strip():
        yield Entry(Kind.TURN, turn.id, said(turn), turn.scope, turn.observed_at)
        yield Entry(Kind.WINDOW, turn.id, said_after(before, turn), turn.scope, turn.observed_at)
