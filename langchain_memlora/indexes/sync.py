"""Brings an index up to date with the ledger, by number.

What is written is the items' *current* state, so neither order nor repeats matter, and a crash between ledger and index
heals at the next call. An index that comes up empty (its folder was lost, or it lives in memory) is filled from the start.
"""

from __future__ import annotations

import threading

from langchain_memlora.errors import IndexMismatchError
from langchain_memlora.indexes.base import Entry, Index, Kind, entry_id
from langchain_memlora.ledger import MEMORY, TURN, Ledger, said, said_after
from langchain_memlora.types import MemoryState

SCHEMA = "1"


DEFAULT = "default"


def setting_of(name: str) -> str:
    """The ledger setting that says what an index was made with."""
    return f"index:{name}"


class Synced:
    """An index together with the ledger it is derived from.

    Raises:
        IndexMismatchError: The index was filled with another embedder or schema.
    """

    def __init__(self, index: Index, ledger: Ledger, embedder: str, *, name: str = DEFAULT) -> None:
        self.index = index
        self._ledger = ledger
        self._name = name
        self._lock = threading.Lock()
        made_with = f"{SCHEMA}/{embedder}"
        known = ledger.setting(setting_of(name), made_with)
        if known != made_with:
            msg = (
                f"The index {name!r} was made with {known} (schema/embedder), but {made_with} was asked for. Pass the embedder "
                "it was made with, or empty the index (delete its folder) and run `memlora doctor --rebuild`."
            )
            raise IndexMismatchError(msg)
        if index.is_empty():
            ledger.forget_applied(name)

    def catch_up(self) -> int:
        """Apply what changed; returns how many items that was."""
        applied = 0
        with self._lock:
            while True:
                changed, seq = self._ledger.changed_since(self._name)
                if not changed:
                    return applied
                self._apply(
                    [item for kind, item in changed if kind == MEMORY], [i for kind, i in changed if kind == TURN]
                )
                self._ledger.mark_applied(self._name, seq)
                applied += len(changed)

    def rebuild(self) -> int:
        """Write everything again, into an index that was emptied or lost."""
        self._ledger.forget_applied(self._name)
        return self.catch_up()

    def nearest(self, query: str, user_id: str, kind: Kind, k: int) -> list[str]:
        """As the index's own, once it is up to date."""
        self.catch_up()
        return self.index.nearest(query, user_id, kind, k)

    def _apply(self, memory_ids: list[str], turn_ids: list[str]) -> None:
        memories = self._ledger.any_memories(memory_ids)
        entries = [
            Entry(Kind.MEMORY, memory.id, memory.text, memory.scope, memory.observed_at)
            for memory in memories
            if memory.state is MemoryState.ACTIVE
        ]
        kept = {entry.item_id for entry in entries}
        removed = [entry_id(Kind.MEMORY, item) for item in memory_ids if item not in kept]
        turns = self._ledger.turns(turn_ids)
        before = self._ledger.previous_turns(list(turns))
        for turn in turns.values():
            if turn.text.strip():
                window = said_after(before.get(turn.id), turn)
                entries += [
                    Entry(kind, turn.id, text, turn.scope, turn.observed_at)
                    for kind, text in ((Kind.TURN, said(turn)), (Kind.WINDOW, window))
                ]
        self.index.write(entries, removed)
