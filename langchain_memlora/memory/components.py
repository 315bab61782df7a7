"""Opens and closes what a memory works with (experts, engine, ledger, embedder, index), each as late as possible."""

from __future__ import annotations

import gc
import os
import platform
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from langchain_core.documents import BaseDocumentCompressor
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore
from platformdirs import user_data_path

from langchain_memlora.bundles import Bundle, Role, load_bundle
from langchain_memlora.engines.base import Engine
from langchain_memlora.engines.registry import named_engine
from langchain_memlora.errors import ClosedError
from langchain_memlora.experts import Captioner, Captions, Experts, VisionExpert
from langchain_memlora.graph import Services
from langchain_memlora.indexes import Index, VectorStoreIndex
from langchain_memlora.indexes.embeddings import CachedEmbeddings
from langchain_memlora.indexes.sync import DEFAULT, SyncedIndex
from langchain_memlora.intake import ImageStore
from langchain_memlora.ledger import Ledger
from langchain_memlora.memory.second_stage import RerankerName, make_reranker
from langchain_memlora.models import DEFAULT_EMBEDDER, default_embeddings, embedder_id
from langchain_memlora.retrieval import Reranker, Retriever

THREADS = 16


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
        given = embeddings or (index.embeddings if isinstance(index, VectorStore) else None)
        name = embedder_id(given) if given else DEFAULT_EMBEDDER
        self.embeddings = CachedEmbeddings((lambda: given) if given else default_embeddings, name, self.ledger)
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
        self._given_index = index
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

    @property
    def index_name(self) -> str:
        """The ledger's name for the index. Embedded indexes that follow one server ledger each need a name of their own."""
        shared = self.ledger.database.path is None and self._given_index is None
        return f"chroma:{platform.node()}:{self.path.absolute()}" if shared else DEFAULT

    def index(self) -> SyncedIndex:
        """Return the index, opened at first use: importing and opening Chroma takes seconds."""
        with self._opening:
            if self._synced is None:
                given = self._given_index
                if given is None:
                    from langchain_memlora.indexes.chroma import ChromaIndex

                    given = ChromaIndex(self.path / "chroma", self.embeddings)
                index = given if isinstance(given, Index) else VectorStoreIndex(given)
                prepare = self.reranker.prepare if self.reranker else lambda texts: None
                self._synced = SyncedIndex(
                    index, self.ledger, self.embeddings.name, name=self.index_name, prepare=prepare
                )
            return self._synced

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
