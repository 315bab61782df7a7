"""Synchronisation of an index with the ledger, by change number.

The items' *current* state is written, so neither order nor repeats matter, and the next call repairs a crash between ledger and
index. An index that opens empty (its folder was lost, or it is in RAM) or damaged is filled from the start; one that may hold
erased data is rebuilt.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from langchain_memlora.errors import IndexDamagedError, IndexMismatchError, LedgerError
from langchain_memlora.indexes.base import Index, Kind
from langchain_memlora.indexes.entries import changed_entries, reranked_texts
from langchain_memlora.indexes.read_write_lock import ReadWriteLock
from langchain_memlora.ledger import Ledger

SCHEMA = "1"
DEFAULT = "default"
_EMBEDDER, _STORE = "index", "store"  # ledger settings: the embedder and the store of an index
Progress = Callable[[int, int], None]
Prepare = Callable[[Sequence[str]], None]
R = TypeVar("R")
_log = logging.getLogger(__name__)


def forget_index(ledger: Ledger, name: str) -> None:
    """Forget what an index was filled with, so that it is filled again, also with another embedder or in another store."""
    ledger.forget_applied(name)
    for setting in (_EMBEDDER, _STORE):
        ledger.replace_setting(f"{setting}:{name}", None)


def embedder_of(ledger: Ledger, name: str) -> str | None:
    """Return the id of the embedder that filled an index; `None` if there is no such index."""
    made_with = ledger.known_setting(f"{_EMBEDDER}:{name}")
    return made_with.partition("/")[2] if made_with else None


def refuse_mismatch(ledger: Ledger, name: str, embedder: str, store_type: str) -> None:
    """Refuse an index that was filled with another embedder or is in another store; a new one is recorded as given.

    Raises:
        IndexMismatchError: The ledger's index was filled with another embedder or schema, or is in another store.
    """
    made_with = f"{SCHEMA}/{embedder}"
    known = ledger.setting(f"{_EMBEDDER}:{name}", made_with)
    if known != made_with:
        msg = (
            f"The index {name!r} was built with {known} (schema/embedder), but {made_with} was requested. Pass the "
            "original embedder, or empty the index (delete its folder) and call `rebuild` on a memory opened like this one."
        )
        raise IndexMismatchError(msg)
    store = ledger.setting(f"{_STORE}:{name}", store_type)
    if store != store_type:
        msg = (
            f"The vectors of this ledger are in {store}, but {store_type} was opened, which lacks them. Open the "
            "memory as before (on the command line with --open), or call `rebuild` once to move them; then empty the old "
            "store."
        )
        raise IndexMismatchError(msg)


class LiveIndex(Protocol):
    """The interface of an index to the rest of the package: up to date with the ledger at every search."""

    @property
    def name(self) -> str: ...

    @property
    def index(self) -> Index: ...

    @property
    def waiting(self) -> int: ...

    def catch_up(self) -> int: ...

    def rebuild(self, progress: Progress | None = None) -> int: ...

    def finish_erasure(self) -> None: ...

    def nearest_each(self, query: str, user_id: str, kinds: Sequence[Kind], k: int) -> list[list[str]]: ...

    def close(self) -> None: ...


class SyncedIndex:
    """An index kept in step with the ledger it is derived from.

    Args:
        prepare: Called with the texts of memories and turns that were written, for what a search computes ahead.

    Raises:
        IndexMismatchError: The ledger's index was filled with another embedder or schema, or is in another store.
    """

    def __init__(
        self,
        index: Index,
        ledger: Ledger,
        embedder: str,
        *,
        name: str = DEFAULT,
        prepare: Prepare = lambda texts: None,
    ) -> None:
        self.index = index
        self._prepare = prepare
        self.name = name
        self._ledger = ledger
        self._writing = threading.RLock()  # acquired before `_lock`, never while holding it
        self._lock = ReadWriteLock()
        self._rebuilds = 0
        refuse_mismatch(ledger, name, embedder, index.store_type)
        if self._rebuild_if_damaged(index.is_empty):
            ledger.forget_applied(name)
        if ledger.erasure_is_unfinished():
            self._finish_if_possible()

    @property
    def waiting(self) -> int:
        """The number of ledger changes that are not in the index yet."""
        return self._ledger.waiting(self.name)

    def catch_up(self) -> int:
        """Apply all changes; return the number of items.

        Raises:
            IndexDamagedError: The store fails even after it was rebuilt.
        """
        with self._writing:
            return self._rebuild_if_damaged(self._catch_up)

    def rebuild(self, progress: Progress | None = None) -> int:
        """Write everything again, to an index that was emptied or lost; `catch_up` resumes an interrupted rebuild.

        Args:
            progress: Called with the number of applied changes and the total.
        """
        self._ledger.forget_applied(self.name)
        with self._writing:
            return self._rebuild_if_damaged(lambda: self._catch_up(progress))

    def finish_erasure(self) -> None:
        """Remove erased items, bytes included if the store can do that, and rewrite the ledger's file."""
        with self._writing:
            self.refill()
            self._ledger.finish_erasure()

    def refill(self) -> None:
        """Write everything again to an emptied store, bytes included if it can do that; else apply the changes."""
        with self._writing:
            self._clear()
            self.catch_up()

    def close(self) -> None:
        """Release the store."""
        self.index.close()

    def move(
        self, open_other: Callable[[], SyncedIndex], switch: Callable[[], None], progress: Progress | None = None
    ) -> int:
        """Fill another index while this one stays usable, then use the other and close this one; return the items written.

        Erasures empty this index only, so after one the other is filled once more.

        Args:
            open_other: Opens the other index, which nothing else uses.
            switch: Records that the other index is in use. If anything fails until then, this one stays in use.
        """
        if self._ledger.erasure_is_unfinished():
            self.finish_erasure()
        seen = self._rebuilds
        other = open_other()
        try:
            written = other.rebuild(progress)
            with self._writing:
                if seen != self._rebuilds:
                    other._clear()
                other.catch_up()
                with self._lock.exclusive():
                    switch()
                    old = self.index
                    self.index, self.name = other.index, other.name
        except BaseException:
            other.index.close()
            raise
        old.close()
        return written

    def nearest_each(self, query: str, user_id: str, kinds: Sequence[Kind], k: int) -> list[list[str]]:
        """Bring the index up to date and return its `nearest_each`."""
        self.catch_up()
        return self._rebuild_if_damaged(lambda: self.index.nearest_each(query, user_id, kinds, k))

    def _finish_if_possible(self) -> None:
        """Finish an earlier process's erasure if possible: a concurrent reader must not keep the memory from opening."""
        try:
            self.finish_erasure()
        except LedgerError as error:
            _log.warning("An erasure is still unfinished: %s", error)

    def _rebuild_if_damaged(self, call: Callable[[], R]) -> R:
        """Call the store; if it is damaged, rebuild it from the ledger and call it once more."""
        seen = self._rebuilds
        try:
            with self._lock.shared():
                return call()
        except IndexDamagedError as error:
            _log.warning("%s It is rebuilt from the ledger.", error)
        with self._writing:
            if seen == self._rebuilds and self._clear():
                with self._lock.shared():
                    self._catch_up()
        with self._lock.shared():
            return call()

    def _clear(self) -> bool:
        """Erase the whole store, if it can do that; it must then be refilled."""
        with self._writing, self._lock.exclusive():
            if not self.index.clear():
                return False
            self._rebuilds += 1
        self._ledger.forget_applied(self.name)
        return True

    def _catch_up(self, progress: Progress | None = None) -> int:
        applied = 0
        total = self._ledger.waiting(self.name) if progress else 0
        while True:
            changed, seen, seq = self._ledger.changed_since(self.name)
            if not changed:
                return applied
            after = seen
            while after >= seen:  # else another process has begun to refill the index
                entries, removed = changed_entries(self._ledger, changed)
                self.index.write(entries, removed)
                self._prepare(reranked_texts(entries))
                if self._ledger.mark_applied(self.name, max(seq, after), after=after):
                    break
                after = self._ledger.applied(self.name)  # another process has written: its state may be newer
            applied += len(changed)
            if progress:
                left = self._ledger.waiting(self.name)
                total = max(total, left)
                progress(total - left, total)
