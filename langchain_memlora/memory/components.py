"""Opens and closes what a memory works with (experts, engine, ledger, embedder, index), each as late as possible."""

from __future__ import annotations

import gc
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from langchain_core.documents import BaseDocumentCompressor
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore
from platformdirs import user_data_path

from langchain_memlora.bundles import Bundle, Role, load_bundle
from langchain_memlora.engines.base import Engine
from langchain_memlora.engines.registry import named_engine
from langchain_memlora.errors import ClosedError, ForkedError
from langchain_memlora.experts import Captioner, Captions, Experts, VisionExpert
from langchain_memlora.experts.windows import words_of
from langchain_memlora.graph import Services
from langchain_memlora.indexes import Index
from langchain_memlora.indexes.sync import LiveIndex, Progress
from langchain_memlora.intake import ImageStore
from langchain_memlora.ledger import Ledger, details
from langchain_memlora.memory.index_opening import IndexOpening
from langchain_memlora.memory.second_stage import RerankerName, make_reranker
from langchain_memlora.passages import passages
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
        self.reranker = make_reranker(reranker, self.ledger)
        prepare = self.reranker.prepare if self.reranker else _nothing
        self._opening = IndexOpening(self.ledger, self.path, index, embeddings, prepare)
        self.embeddings, self.vectors = self._opening.embeddings, self._opening.vectors
        self.images = ImageStore((self.ledger.database.path or self.path / "ledger").with_suffix(".images"))
        self._vision_engine: Engine | None = None
        self.services = Services(
            experts=Experts(self.bundle, self.engine, self._vision(vision, captioner)),
            ledger=self.ledger,
            retriever=Retriever(self.ledger, self.index, vectors=self.vectors, reranker=self.reranker),
            index=self.index,
            embeddings=self.embeddings,
            images=self.images,
        )
        self._threads = ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="memlora")
        self._frozen = False
        self._pid = os.getpid()
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
        """Refuse calls after `close`, and in a process that was forked from the one that opened the memory.

        Raises:
            ClosedError: The memory was closed.
            ForkedError: The memory was opened before a fork.
        """
        if self.is_forked:
            raise ForkedError.of("This memory", self._pid)
        if self.closed:
            msg = "This memory was closed. Make a new MemLoRAMemory; everything stored is still there."
            raise ClosedError(msg)

    @property
    def is_forked(self) -> bool:
        """True in a process that was forked from the one that opened the memory."""
        return self._pid != os.getpid()

    def threads(self) -> ThreadPoolExecutor:
        """Return the threads that run async verbs."""
        self.check_open()
        return self._threads

    def index(self) -> LiveIndex:
        """Return the index, opened at first use."""
        return self._opening.index()

    def rebuild(self, progress: Progress | None = None) -> int:
        """Write the index again, also with another embedder or in another store than before.

        Raises:
            StoreInUseError: It was made with another embedder, and another process uses it.
        """
        return self._opening.rebuild(progress)

    def drop_cached(self) -> None:
        """Drop queries and vectors that are cached in RAM, because some of them are to be erased."""
        self.embeddings.forget()
        self.vectors.forget()

    def drop_cached_texts(self) -> None:
        """Drop texts that are cached in RAM, because some of them were erased, which reads them once more."""
        details.drop_cached()
        for cached in (passages, words_of):
            cached.cache_clear()

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
        self._opening.close()
        if self._owns_ledger:
            self.ledger.close()


def _nothing(texts: Sequence[str]) -> None:
    """Prepare nothing: there is no second stage."""
