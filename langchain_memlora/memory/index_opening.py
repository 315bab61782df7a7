"""Chooses the embedder of a memory, opens its index, and moves it from the embedder of an earlier version to today's."""

from __future__ import annotations

import logging
import platform
import threading
from pathlib import Path

from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore

from langchain_memlora.errors import IndexMismatchError, ModelNotFoundError, StoreInUseError
from langchain_memlora.indexes import Index, VectorStoreIndex
from langchain_memlora.indexes.embeddings import CachedEmbeddings
from langchain_memlora.indexes.exact import LedgerVectors
from langchain_memlora.indexes.sync import DEFAULT, LiveIndex, Prepare, Progress, SyncedIndex, forget_index
from langchain_memlora.ledger import Ledger
from langchain_memlora.memory.index_place import IndexPlace
from langchain_memlora.models import (
    DEFAULT_EMBEDDER,
    EARLIER_EMBEDDER,
    OnnxEmbeddings,
    default_embeddings,
    embedder_id,
)

_log = logging.getLogger(__name__)


class IndexOpening:
    """Opens the index of one memory as late as possible: an embedded Chroma, or the index that was given.

    Args:
        home: Folder of the memory.
        index: The index to use in place of the embedded Chroma.
        embeddings: The embedder to use in place of the one that the index was made with.
        prepare: Called with the texts of memories and turns that were written, for what the second stage computes ahead.

    Attributes:
        embeddings: The embedder of the index in use.
        vectors: Searches its vectors in the ledger.
    """

    def __init__(
        self,
        ledger: Ledger,
        home: Path,
        index: VectorStore | Index | None,
        embeddings: Embeddings | None,
        prepare: Prepare,
    ) -> None:
        self._ledger, self._home, self._prepare = ledger, home, prepare
        self._given_index = index
        # Embedded indexes that follow one server ledger each need a name of their own.
        shared = ledger.database.path is None and index is None
        self._key = f"chroma:{platform.node()}:{home.absolute()}" if shared else DEFAULT
        self._place = IndexPlace.in_use(ledger, home, self._key)
        given = embeddings or (index.embeddings if isinstance(index, VectorStore) else None)
        self.embeddings = self._given_embeddings(given) if given else self._own_embeddings()
        self.vectors = LedgerVectors(ledger, self.embeddings)
        self._live: LiveIndex | None = None
        self._opening, self._moving = threading.Lock(), threading.Lock()

    def index(self) -> LiveIndex:
        """Return the index, opened at first use: importing and opening Chroma takes seconds."""
        with self._opening:
            if self._live is None:
                self._live = self._open_shared() if self._given_index is None else self._open_given(self._given_index)
            return self._live

    def rebuild(self, progress: Progress | None = None) -> int:
        """Write the index again; one that an earlier version's embedder filled is moved to today's.

        Raises:
            StoreInUseError: It was made with another embedder, and another process uses it.
        """
        from langchain_memlora.indexes.shared import SharedIndex

        if self._given_index is None and self.embeddings.name == EARLIER_EMBEDDER:
            live = self.index()
            if isinstance(live, SharedIndex):
                return live.move(self._default_embeddings(), self._place.following.name, progress)
        if self._live is None and self._given_index is None:
            self._allow_another_embedder()
        elif self._live is None:
            forget_index(self._ledger, self._place.name)
        return self.index().rebuild(progress)

    def close(self) -> None:
        """Close the index if it was opened."""
        if self._live:
            self._live.close()

    def _given_embeddings(self, given: Embeddings) -> CachedEmbeddings:
        symmetric = isinstance(given, OnnxEmbeddings)
        return CachedEmbeddings(lambda: given, embedder_id(given), self._ledger, symmetric=symmetric)

    def _own_embeddings(self) -> CachedEmbeddings:
        """Return the embedder that the embedded index was made with, or the default."""
        if self._given_index is None and self._place.embedder(self._ledger) == EARLIER_EMBEDDER:
            _log.warning(
                "The index in %s was made with %s, the default of earlier versions, which stays in use. "
                "`memlora doctor --rebuild` moves it to %s, which finds more.",
                self._place.folder,
                EARLIER_EMBEDDER,
                DEFAULT_EMBEDDER,
            )
            return CachedEmbeddings(_earlier_embeddings, EARLIER_EMBEDDER, self._ledger, symmetric=True)
        return self._default_embeddings()

    def _default_embeddings(self) -> CachedEmbeddings:
        return CachedEmbeddings(default_embeddings, DEFAULT_EMBEDDER, self._ledger, symmetric=True)

    def _open_given(self, given: VectorStore | Index) -> SyncedIndex:
        index = given if isinstance(given, Index) else VectorStoreIndex(given)
        return self._synchronised(index, self.embeddings, self._place)

    def _open_shared(self) -> LiveIndex:
        from langchain_memlora.indexes.chroma import ChromaIndex
        from langchain_memlora.indexes.shared import SharedIndex

        return SharedIndex(
            self._open_in_use,
            self._move,
            self._ledger,
            self.embeddings,
            self.vectors,
            key=self._key,
            name=lambda: self._place.name,
            store_type=ChromaIndex.store_type,
            prepare=self._prepare,
        )

    def _open_in_use(self) -> SyncedIndex:
        """Open the embedded Chroma in use, which one process owns at a time, and remove what moves have left."""
        while True:
            self._follow()
            place = self._place
            opened = self._open_at(place, self.embeddings)
            if place == IndexPlace.in_use(self._ledger, self._home, self._key):
                place.remove_others(self._ledger)
                return opened
            opened.close()  # its owner has moved it in between

    def _follow(self) -> None:
        """Use the place and the embedder that another process has moved the index to."""
        place = IndexPlace.in_use(self._ledger, self._home, self._key)
        if place != self._place:
            if self.embeddings.name == EARLIER_EMBEDDER:
                self.vectors.replace_embedder(self._default_embeddings())
            self._place = place

    def _open_at(self, place: IndexPlace, embeddings: CachedEmbeddings, *, forget: bool = False) -> SyncedIndex:
        """Open the Chroma of a place; with `forget`, as an index that may have been filled with another embedder."""
        from langchain_memlora.indexes.chroma import ChromaIndex

        store = ChromaIndex(place.folder, embeddings)
        try:
            if forget:
                forget_index(self._ledger, place.name)
            return self._synchronised(store, embeddings, place)
        except BaseException:
            store.close()
            raise

    def _synchronised(self, index: Index, embeddings: CachedEmbeddings, place: IndexPlace) -> SyncedIndex:
        return SyncedIndex(index, self._ledger, embeddings.name, name=place.name, prepare=self._prepare)

    def _move(self, owned: SyncedIndex, progress: Progress | None = None) -> int:
        """Fill a store in the next place with the default embedder, then use it; searches use the earlier one until then."""
        with self._moving:
            if self.embeddings.name != EARLIER_EMBEDDER:
                return 0
            place, embeddings = self._place.following, self._default_embeddings()

            def switch() -> None:
                place.use(self._ledger)
                self.vectors.replace_embedder(embeddings)
                self._place = place

            try:
                return owned.move(lambda: self._open_at(place, embeddings), switch, progress)
            finally:
                self._place.remove_others(self._ledger)

    def _allow_another_embedder(self) -> None:
        try:
            self._open_at(self._place, self.embeddings, forget=True).close()
        except StoreInUseError:  # with the same embedder, its owner writes it again
            try:
                self.index()
            except IndexMismatchError as mismatch:
                msg = (
                    "The index can't be moved to another embedder while another process uses it. Close that one first."
                )
                raise StoreInUseError(msg) from mismatch


def _earlier_embeddings() -> Embeddings:
    try:
        return default_embeddings(EARLIER_EMBEDDER)
    except ModelNotFoundError as error:
        msg = f"{error} Or move this memory to {DEFAULT_EMBEDDER}, without that model: `memlora doctor --rebuild`."
        raise ModelNotFoundError(msg) from error
