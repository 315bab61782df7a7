"""Opens and closes what a memory works with (experts, engine, ledger, embedder, index), each as late as possible."""

from __future__ import annotations

import gc
import logging
import os
import platform
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from langchain_core.documents import BaseDocumentCompressor
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore
from platformdirs import user_data_path

from langchain_memlora.bundles import Bundle, Role, load_bundle
from langchain_memlora.engines.base import Engine
from langchain_memlora.engines.registry import named_engine
from langchain_memlora.errors import ClosedError, ModelNotFoundError
from langchain_memlora.experts import Captioner, Captions, Experts, VisionExpert
from langchain_memlora.graph import Services
from langchain_memlora.indexes import Index, VectorStoreIndex
from langchain_memlora.indexes.embeddings import CachedEmbeddings
from langchain_memlora.indexes.sync import DEFAULT, SyncedIndex, forget_index
from langchain_memlora.intake import ImageStore
from langchain_memlora.ledger import Ledger
from langchain_memlora.memory.index_place import IndexPlace
from langchain_memlora.memory.second_stage import RerankerName, make_reranker
from langchain_memlora.models import (
    DEFAULT_EMBEDDER,
    EARLIER_EMBEDDER,
    OnnxEmbeddings,
    default_embeddings,
    embedder_id,
)
from langchain_memlora.retrieval import Reranker, Retriever

THREADS = 16
_log = logging.getLogger(__name__)


class Components:
    """The components of one memory. The arguments are those of `MemLoRAMemory`; objects that were passed in stay open.

    Attributes:
        closed: Set by the owner before it closes anything, so that no new call starts.
    """

    def __init__(
        self,
        *,
        path: str | Path | None,
        experts: str | Path | Bundle,
        engine: Engine | str | None,
        index: VectorStore | Index | None,
        ledger: Ledger | str | Path | None,
        embeddings: Embeddings | None,
        vision: str | Path | Bundle | None,
        captioner: Captioner | None,
        reranker: Reranker | BaseDocumentCompressor | RerankerName | None,
    ) -> None:
        home = os.environ.get("MEMLORA_HOME")
        self.path = Path(path or home or user_data_path("langchain-memlora")).expanduser()
        self.bundle = experts if isinstance(experts, Bundle) else load_bundle(experts)
        self.ledger = ledger if isinstance(ledger, Ledger) else Ledger(ledger or self.path / "ledger.sqlite3")
        self.engine = engine if isinstance(engine, Engine) else named_engine(engine or "transformers", self.bundle)
        self._owns_engine, self._owns_ledger = self.engine is not engine, self.ledger is not ledger
        self._given_index = index
        self._place = IndexPlace.in_use(self.ledger, self.path, self._first_index_name)
        self.embeddings = self._embeddings(embeddings or (index.embeddings if isinstance(index, VectorStore) else None))
        self.images = ImageStore((self.ledger.database.path or self.path / "ledger").with_suffix(".images"))
        self.reranker = make_reranker(reranker, self.ledger)
        self._vision_engine: Engine | None = None
        self.services = Services(
            experts=Experts(self.bundle, self.engine, self._vision(vision, captioner)),
            ledger=self.ledger,
            retriever=Retriever(self.ledger, self.index, self.reranker),
            index=self.index,
            embeddings=self.embeddings,
            images=self.images,
        )
        self._synced: SyncedIndex | None = None
        self._opening = threading.Lock()
        self._threads = ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="memlora")
        self._frozen = False
        self.closed = False

    def _vision(
        self, vision: str | Path | Bundle | None, captioner: Captioner | None
    ) -> VisionExpert | Captions | None:
        """Choose what reads pictures: a bundle of its own, else the bundle's vision expert, else a captioner, else none."""
        if vision is not None:
            bundle = vision if isinstance(vision, Bundle) else load_bundle(vision)
            self._vision_engine = named_engine("transformers", bundle)
            return VisionExpert(bundle, self._vision_engine)
        if Role.VISION in self.bundle.adapters:
            return VisionExpert(self.bundle, self.engine)
        return Captions(captioner) if captioner else None

    def check_open(self) -> None:
        """Refuse calls after `close`.

        Raises:
            ClosedError: The memory was closed.
        """
        if self.closed:
            msg = "This memory was closed. Make a new MemLoRAMemory; everything stored is still there."
            raise ClosedError(msg)

    def threads(self) -> ThreadPoolExecutor:
        """Return the threads that run async verbs."""
        self.check_open()
        return self._threads

    def _embeddings(self, given: Embeddings | None) -> CachedEmbeddings:
        """Return the given embedder, or the one that the embedded index was made with, or the default."""
        if given:
            return CachedEmbeddings(
                lambda: given, embedder_id(given), self.ledger, symmetric=isinstance(given, OnnxEmbeddings)
            )
        if self._given_index is None and self._place.embedder(self.ledger) == EARLIER_EMBEDDER:
            _log.warning(
                "The index in %s was made with %s, the default of earlier versions, which stays in use. "
                "`memlora doctor --rebuild` moves it to %s, which finds more.",
                self._place.folder,
                EARLIER_EMBEDDER,
                DEFAULT_EMBEDDER,
            )
            return CachedEmbeddings(_earlier_embeddings, EARLIER_EMBEDDER, self.ledger, symmetric=True)
        return self._default_embeddings()

    def _default_embeddings(self) -> CachedEmbeddings:
        return CachedEmbeddings(default_embeddings, DEFAULT_EMBEDDER, self.ledger, symmetric=True)

    @property
    def _first_index_name(self) -> str:
        """The ledger's name for the first index. Embedded indexes that follow one server ledger each need their own."""
        shared = self.ledger.database.path is None and self._given_index is None
        return f"chroma:{platform.node()}:{self.path.absolute()}" if shared else DEFAULT

    def index(self) -> SyncedIndex:
        """Return the index, opened at first use: importing and opening Chroma takes seconds."""
        with self._opening:
            if self._synced is None:
                given = self._given_index
                if given is None:
                    self._synced = self._open_at(self._place, self.embeddings)
                    self._place.remove_others(self.ledger)
                else:
                    index = given if isinstance(given, Index) else VectorStoreIndex(given)
                    self._synced = self._synchronised(index, self.embeddings, self._place.name)
            return self._synced

    def rebuild(self, progress: Callable[[int, int], None] | None = None) -> int:
        """Write the index again; if an earlier version's embedder filled it, write one beside it with today's, then switch."""
        if self._given_index is None and self.embeddings.name == EARLIER_EMBEDDER:
            return self._move(progress)
        if self._synced is None:
            forget_index(self.ledger, self._place.name)  # it may have another embedder or store
        return self.index().rebuild(progress)

    def _move(self, progress: Callable[[int, int], None] | None) -> int:
        synced, place, embeddings = self.index(), self._place.following, self._default_embeddings()

        def switch() -> None:
            place.use(self.ledger)
            self.embeddings.replace(embeddings)
            self._place = place

        try:
            return synced.move(lambda: self._open_at(place, embeddings), switch, progress)
        finally:
            self._place.remove_others(self.ledger)

    def _synchronised(self, index: Index, embeddings: CachedEmbeddings, name: str) -> SyncedIndex:
        prepare = self.reranker.prepare if self.reranker else lambda texts: None
        return SyncedIndex(index, self.ledger, embeddings.name, name=name, prepare=prepare)

    def _open_at(self, place: IndexPlace, embeddings: CachedEmbeddings) -> SyncedIndex:
        from langchain_memlora.indexes.chroma import ChromaIndex

        index = ChromaIndex(place.folder, embeddings)
        try:
            return self._synchronised(index, embeddings, place.name)
        except BaseException:
            index.close()
            raise

    def warm(self) -> None:
        """Load models, open the index, and exempt loaded objects from garbage collection."""
        self.index().catch_up()
        self.embeddings.real.embed_query("warm")
        if self.reranker:
            self.reranker.warm()
        self.engine.warm()
        gc.collect()
        gc.freeze()
        self._frozen = True

    def close(self) -> None:
        """Stop the engines and threads, and close the stores."""
        if self._frozen:
            gc.unfreeze()
        if self._owns_engine:
            self.engine.close()
        if self._vision_engine:
            self._vision_engine.close()
        self._threads.shutdown(wait=True)
        if self._synced:
            self._synced.index.close()
        if self._owns_ledger:
            self.ledger.close()


def _earlier_embeddings() -> Embeddings:
    try:
        return default_embeddings(EARLIER_EMBEDDER)
    except ModelNotFoundError as error:
        msg = f"{error} Or move this memory to {DEFAULT_EMBEDDER}, without that model: `memlora doctor --rebuild`."
        raise ModelNotFoundError(msg) from error
