"""One embedded index for all processes that use a folder.

One process owns the store and applies every change to it, its own and others'. The others compare questions with the vectors
that the ledger caches, which finds the same entries. When the owner ends or is killed, the operating system frees its
lock, and the next call in another process takes the store over.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
import weakref
from collections.abc import Callable, Sequence

from langchain_memlora.errors import IndexMismatchError, MemLoRAError, StoreInUseError
from langchain_memlora.indexes.base import Index, Kind
from langchain_memlora.indexes.embeddings import CachedEmbeddings
from langchain_memlora.indexes.entries import changed_entries
from langchain_memlora.indexes.exact import LedgerVectors
from langchain_memlora.indexes.sync import Progress, SyncedIndex, refuse_mismatch
from langchain_memlora.ledger import Ledger

ANSWER_SECONDS = 60
POLL_SECONDS = 0.25
_log = logging.getLogger(__name__)


class SharedIndex:
    """An index that any number of processes search and write at once, with one owner of the store at a time.

    Args:
        open_store: Opens the store and fills it; raises `StoreInUseError` while another process owns it.
        vectors: Searches the ledger's vectors while another process owns the store.
        store_type: The type of the store, compared with the ledger's record by processes that don't own it.

    Raises:
        IndexMismatchError: The store was filled with another embedder.
    """

    def __init__(
        self,
        open_store: Callable[[], SyncedIndex],
        ledger: Ledger,
        embeddings: CachedEmbeddings,
        vectors: LedgerVectors,
        *,
        name: str,
        store_type: str,
    ) -> None:
        self.name = name
        self._open_store = open_store
        self._ledger = ledger
        self._embeddings = embeddings
        self._vectors = vectors
        self._owned: SyncedIndex | None = None
        self._answering: threading.Thread | None = None
        self._is_refused = False
        self._taking, self._caching = threading.Lock(), threading.Lock()
        self._closed = threading.Event()
        self._seen = ledger.last_change()
        if self._owner(is_first=True) is None:
            refuse_mismatch(ledger, name, embeddings.name, store_type)

    @property
    def is_owner(self) -> bool:
        """True if this process owns the store, or takes it over now."""
        return self._owner() is not None

    @property
    def index(self) -> Index:
        """The store.

        Raises:
            StoreInUseError: Another process owns it.
        """
        if owner := self._owner():
            return owner.index
        msg = "Another memory or process owns the vector index; this one searches the vectors in the ledger instead."
        raise StoreInUseError(msg)

    @property
    def waiting(self) -> int:
        """The number of ledger changes that the owner's store lacks; searches in other processes don't need it."""
        owner = self._owner()
        return owner.waiting if owner else 0

    def catch_up(self) -> int:
        """Make everything that was written searchable; return the number of items.

        A process that does not own the store computes the vectors that the ledger lacks, so that all processes find them.
        """
        owner = self._owner()
        return owner.catch_up() if owner else self._cache_vectors()

    def nearest_each(self, query: str, user_id: str, kinds: Sequence[Kind], k: int) -> list[list[str]]:
        """Return the item ids of each kind, nearest first, with everything that any process has written."""
        if owner := self._owner():
            return owner.nearest_each(query, user_id, kinds, k)
        return self._vectors.nearest_each(query, user_id, kinds, k) or [[] for _ in kinds]

    def rebuild(self, progress: Progress | None = None) -> int:
        """Write everything again. If another process owns the store, that one does it at its next call."""
        if owner := self._owner():
            return owner.rebuild(progress)
        self._ledger.forget_applied(self.name)
        self._seen = 0
        return self._cache_vectors(progress)

    def finish_erasure(self) -> None:
        """Remove erased items, bytes included. If another process owns the store, ask it to, and wait.

        Raises:
            StoreInUseError: The owner did not answer.
        """
        if owner := self._owner() or self._ask_owner():
            owner.finish_erasure()
        else:
            self._ledger.finish_erasure()

    def close(self) -> None:
        """Close the store if this process owns it, so that another can take it over."""
        self._closed.set()
        with self._taking:
            if self._answering:
                self._answering.join()
            if self._owned:
                self._owned.close()

    def _owner(self, *, is_first: bool = False) -> SyncedIndex | None:
        """Return the store, taken over if it has no owner; `None` while another process, or memory, owns it."""
        if self._owned or self._closed.is_set() or self._is_refused or not self._taking.acquire(blocking=False):
            return self._owned
        try:
            self._owned = self._open_store()
        except StoreInUseError:
            return None
        except IndexMismatchError as error:
            if is_first:
                raise
            self._is_refused = True  # it was filled with another embedder meanwhile; the ledger has this one's vectors
            _log.warning("%s Until then this memory searches the vectors in the ledger.", error)
            return None
        finally:
            self._taking.release()
        self._answering = threading.Thread(
            target=_answer, args=(weakref.ref(self), self._closed), name="memlora-index", daemon=True
        )
        self._answering.start()
        return self._owned

    def _ask_owner(self) -> SyncedIndex | None:
        """Ask the owner to erase the store's bytes, and wait; return the store if the owner has ended instead."""
        request = self._ledger.requests.ask(self.name)
        end = time.monotonic() + ANSWER_SECONDS
        while self._ledger.requests.open(self.name):
            if owner := self._owner():
                self._ledger.requests.answer(self.name, request)
                return owner
            if time.monotonic() > end:
                msg = (
                    "What was to be erased is gone from the ledger, but the process that owns the vector index has not erased "
                    f"it there within {ANSWER_SECONDS} s. End that process if it hangs, and call this again."
                )
                raise StoreInUseError(msg)
            time.sleep(POLL_SECONDS / 5)
        return None

    def _clear_if_asked(self) -> None:
        """Erase the store's bytes if another process has asked for it."""
        if (request := self._ledger.requests.open(self.name)) and self._owned:
            self._owned.refill()
            self._ledger.requests.answer(self.name, request)

    def _cache_vectors(self, progress: Progress | None = None) -> int:
        """Compute the vectors of changed items that the ledger lacks; return the number of items."""
        done = 0
        with self._caching:
            first, last = self._seen, self._ledger.last_change()
            while self._seen < last:
                changed, seen = self._ledger.changes_after(self._seen)
                texts = [entry.text for entry in changed_entries(self._ledger, changed)[0]]
                known = self._ledger.cached_bytes(self._embeddings.name, texts)
                self._embeddings.embed_documents([text for text in texts if text not in known])
                self._seen = seen
                done += len(changed)
                if progress:
                    progress(seen - first, last - first)
        return done


def _answer(index: weakref.ref[SharedIndex], closed: threading.Event) -> None:
    """Do what other processes ask the owner for, until it is closed. An owner that was dropped unclosed gives up its store."""
    while not closed.wait(POLL_SECONDS):
        if (owner := index()) is None:
            return
        with contextlib.suppress(MemLoRAError):  # the process that asks waits, and says so if it was in vain
            owner._clear_if_asked()
        del owner
