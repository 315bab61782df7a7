"""One embedded index for all processes that use a folder.

One process owns the store and applies every change to it, its own and others'. The others compare questions with the vectors
that the ledger caches, which finds the same entries. When the owner ends or is killed, the operating system frees its
lock, and the next call in another process takes the store over.
"""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections.abc import Callable, Sequence

from langchain_memlora.errors import IndexMismatchError, StoreInUseError
from langchain_memlora.indexes.base import Index, Kind
from langchain_memlora.indexes.embeddings import CachedEmbeddings
from langchain_memlora.indexes.entries import changed_entries, reranked_texts
from langchain_memlora.indexes.exact import LedgerVectors
from langchain_memlora.indexes.sync import Prepare, Progress, SyncedIndex, refuse_mismatch
from langchain_memlora.ledger import Ledger
from langchain_memlora.ledger.requests import CLEAR, MOVE

ANSWER_SECONDS = 60
POLL_SECONDS = 0.25
_UNANSWERED = {
    CLEAR: "What was to be erased is gone from the ledger, but the process that owns the vector index has not erased it there "
    "within {seconds} s. End that process if it hangs, and call this again.",
    MOVE: "The process that owns the vector index has not moved it to another embedder within {seconds} s. The vectors are "
    "computed and kept. End that process if it hangs, and call this again.",
}
_log = logging.getLogger(__name__)


class SharedIndex:
    """An index that any number of processes search and write at once, with one owner of the store at a time.

    Args:
        open_store: Opens the store in use and fills it; raises `StoreInUseError` while another process owns it.
        move: Moves the store to another embedder; called in the process that owns it, which any process may ask for that.
        vectors: Searches the ledger's vectors while another process owns the store.
        key: The name of what processes share: that of the first store. A store it is moved to has another `name`.
        prepare: As that of the store, called in processes that don't own it.
        store_type: The type of the store, compared with the ledger's record by processes that don't own it.

    Raises:
        IndexMismatchError: The store was filled with another embedder.
    """

    def __init__(
        self,
        open_store: Callable[[], SyncedIndex],
        move: Callable[[SyncedIndex, Progress | None], int],
        ledger: Ledger,
        embeddings: CachedEmbeddings,
        vectors: LedgerVectors,
        *,
        key: str,
        name: Callable[[], str],
        store_type: str,
        prepare: Prepare = lambda texts: None,
    ) -> None:
        self._open_store, self._move = open_store, move
        self._key, self._name = key, name
        self._ledger = ledger
        self._embeddings = embeddings
        self._prepare = prepare
        self._vectors = vectors
        self._owned: SyncedIndex | None = None
        self._answering: threading.Thread | None = None
        self._is_refused = False
        self._taking, self._caching = threading.Lock(), threading.Lock()
        self._closed = threading.Event()
        self._seen = ledger.last_change()
        if self._owner(is_first=True) is None:
            refuse_mismatch(ledger, self.name, embeddings.name, store_type)

    @property
    def name(self) -> str:
        """The ledger's name for the store in use."""
        return self._name()

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

    def move(self, embeddings: CachedEmbeddings, name: str, progress: Progress | None = None) -> int:
        """Write everything to another store with another embedder, while this one stays in use; return the number of items.

        If another process owns the store, this one computes the vectors, asks the owner to move, and waits.

        Raises:
            StoreInUseError: The owner did not answer. The vectors are kept, and nothing else has changed.
        """
        if owner := self._owner():
            return self._move(owner, progress)
        done, _ = _cache(self._ledger, embeddings, self._prepare, 0, progress)
        if owner := self._ask_owner(MOVE, filled=name):
            return self._move(owner, progress)
        self._owner()  # uses the store that the owner has moved to
        return done

    def finish_erasure(self) -> None:
        """Remove erased items, bytes included. If another process owns the store, ask it to, and wait.

        Raises:
            StoreInUseError: The owner did not answer.
        """
        if owner := self._owner() or self._ask_owner(CLEAR, filled=self.name):
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

    def _ask_owner(self, what: str, *, filled: str) -> SyncedIndex | None:
        """Ask the owner for something, and wait while it fills a store; return the store in use if the owner has ended."""
        requests = self._ledger.requests
        request = requests.ask(what, self._key)
        applied, end = 0, time.monotonic() + ANSWER_SECONDS
        while requests.open(what, self._key):
            if owner := self._owner():
                requests.answer(what, self._key, request)
                return owner
            if applied != (applied := self._ledger.applied(filled)):
                end = time.monotonic() + ANSWER_SECONDS
            if time.monotonic() > end:
                if what == MOVE:
                    requests.answer(what, self._key, request)
                raise StoreInUseError(_UNANSWERED[what].format(seconds=ANSWER_SECONDS))
            time.sleep(POLL_SECONDS / 5)
        return None

    def _do_what_is_asked(self) -> None:
        """Erase the store's bytes, or move it, if another process has asked for it."""
        for what in (CLEAR, MOVE):
            if (request := self._ledger.requests.open(what, self._key)) and self._owned:
                if what == CLEAR:
                    self._owned.refill()
                else:
                    self._move(self._owned, None)
                self._ledger.requests.answer(what, self._key, request)

    def _cache_vectors(self, progress: Progress | None = None) -> int:
        with self._caching:
            done, self._seen = _cache(self._ledger, self._embeddings, self._prepare, self._seen, progress)
        return done


def _cache(
    ledger: Ledger, embeddings: CachedEmbeddings, prepare: Prepare, first: int, progress: Progress | None
) -> tuple[int, int]:
    """Compute the vectors of items changed after a change that the ledger lacks; return their number, and the last change."""
    done, seen, last = 0, first, ledger.last_change()
    while seen < last:
        changed, seen = ledger.changes_after(seen)
        entries, _ = changed_entries(ledger, changed)
        texts = [entry.text for entry in entries]
        known = ledger.cached_bytes(embeddings.name, texts)
        embeddings.embed_documents([text for text in texts if text not in known])
        prepare(reranked_texts(entries))
        done += len(changed)
        if progress:
            progress(seen - first, max(seen, last) - first)
    return done, seen


def _answer(index: weakref.ref[SharedIndex], closed: threading.Event) -> None:
    """Do what other processes ask the owner for, until it is closed. An owner that was dropped unclosed gives up its store."""
    while not closed.wait(POLL_SECONDS):
        if (owner := index()) is None:
            return
        try:
            owner._do_what_is_asked()
        except Exception as error:  # the process that asks waits, and says so if it was in vain; others may ask later
            _log.warning("The vector index could not be changed as another process has asked for: %s", error)
        del owner
