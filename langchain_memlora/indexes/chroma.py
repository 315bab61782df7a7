"""The default index: an embedded Chroma collection in a folder that one memory owns at a time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from langchain_memlora.errors import LedgerError, StoreInUseError
from langchain_memlora.indexes.vectorstore import VectorStoreIndex

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings

COLLECTION = "memlora"


class ChromaIndex(VectorStoreIndex):
    """A persistent Chroma collection with cosine distance and no telemetry.

    An embedded Chroma answers from stale data once another process writes to its folder, so the folder is locked.

    Raises:
        StoreInUseError: The folder is open elsewhere.
        LedgerError: The folder can't be written.
    """

    def __init__(self, path: Path, embeddings: Embeddings) -> None:
        self._lock = FileLock(path / "owner.lock", thread_local=False)  # opened and closed by different threads
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
        except Timeout as error:
            msg = (
                f"The vector index {path} is open in another memory or process. Close that one first, give this one "
                "another `path`, or share a Chroma server through `index=`."
            )
            raise StoreInUseError(msg) from error
        except OSError as error:
            msg = f"The vector index {path} can't be written ({error}). Make the folder writable or choose another `path`."
            raise LedgerError(msg) from error
        import chromadb
        from chromadb.config import Settings
        from langchain_chroma import Chroma

        self._client = chromadb.PersistentClient(str(path), settings=Settings(anonymized_telemetry=False))
        super().__init__(
            Chroma(
                collection_name=COLLECTION,
                client=self._client,
                embedding_function=embeddings,
                collection_configuration={"hnsw": {"space": "cosine"}},
            )
        )

    def is_empty(self) -> bool:
        return self._client.get_collection(COLLECTION).count() == 0

    def close(self) -> None:
        self._lock.release()
