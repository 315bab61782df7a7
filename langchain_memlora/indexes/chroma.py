"""The default index: an embedded Chroma collection in a folder that one memory owns at a time."""

from __future__ import annotations

import contextlib
import logging
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from filelock import FileLock, Timeout

from langchain_memlora.errors import IndexDamagedError, LedgerError, StoreInUseError
from langchain_memlora.indexes.base import Entry, Kind
from langchain_memlora.indexes.chroma_search import nearest_of_user
from langchain_memlora.indexes.unused_bytes import wipe_unused_bytes
from langchain_memlora.indexes.vectorstore import VectorStoreIndex

if TYPE_CHECKING:
    from chromadb.api.client import Client
    from langchain_chroma import Chroma
    from langchain_core.embeddings import Embeddings

COLLECTION = "memlora"
LOCK = "owner.lock"
WRITE_ERRORS = ("disk is full", "No space left", "readonly", "Read-only", "File too large")
_log = logging.getLogger(__name__)


def remove_unused(path: Path) -> None:
    """Remove the folder of an index that is no longer in use, unless it is open elsewhere."""
    if not path.is_dir():
        return
    lock = FileLock(path / LOCK, thread_local=False)
    with contextlib.suppress(Timeout, OSError), lock.acquire(timeout=0):
        shutil.rmtree(path, ignore_errors=True)


class ChromaIndex(VectorStoreIndex):
    """A persistent Chroma collection with cosine distance and no telemetry.

    An embedded Chroma returns stale data once another process writes to its folder, so the folder is locked. Deleted data
    stays readable in Chroma's files, so erasing means recreating the folder; so does repairing a damaged one.

    Raises:
        StoreInUseError: The folder is open elsewhere.
        LedgerError: The folder can't be written.
    """

    store_type = "embedded Chroma"
    _is_new: bool

    def __init__(self, path: Path, embeddings: Embeddings) -> None:
        self._path = path
        self._embeddings = embeddings
        self._lock = FileLock(path / LOCK, thread_local=False)  # one thread may open it and another close it
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
        except Timeout as error:
            msg = (
                f"The vector index {path} is open in another memory or process. Close that one first, pass another "
                "`path`, or share a Chroma server through `index=`."
            )
            raise StoreInUseError(msg) from error
        except OSError as error:
            msg = f"The vector index {path} can't be written ({error}). Make the folder writable or choose another `path`."
            raise LedgerError(msg) from error
        try:
            super().__init__(self._open_or_recreate())
        except BaseException:
            self._lock.release()
            raise

    def write(self, entries: Sequence[Entry], removed: Sequence[str]) -> None:
        with self._explained():
            super().write(entries, removed)
        if self._is_new and entries:
            self._is_new = not wipe_unused_bytes(self._path)

    def nearest(self, query: str, user_id: str, kind: Kind, k: int) -> list[str]:
        return self.nearest_each(query, user_id, [kind], k)[0]

    def nearest_each(self, query: str, user_id: str, kinds: Sequence[Kind], k: int) -> list[list[str]]:
        vector = self._embeddings.embed_query(query)
        with self._explained():
            found = nearest_of_user(self._collection, vector, user_id, kinds, k)
            return [
                self._filtered(query, user_id, kind, k) if mine is None else mine
                for kind, mine in zip(kinds, found, strict=True)
            ]

    def is_empty(self) -> bool:
        with self._explained():
            return self._collection.count() == 0

    def clear(self) -> bool:
        self._client.close()
        self._remove_files()
        self.store = self._open()
        return True

    def close(self) -> None:
        self._client.close()
        self._lock.release()

    def _open_or_recreate(self) -> Chroma:
        try:
            return self._open()
        except IndexDamagedError as error:
            _log.warning("%s It is rebuilt from the ledger.", error)
        self._remove_files()
        return self._open()

    def _open(self) -> Chroma:
        import chromadb
        from chromadb.api.shared_system_client import SharedSystemClient
        from chromadb.config import Settings
        from langchain_chroma import Chroma

        # Chroma keeps clients that failed to start or were not closed; since then another process may have owned the folder.
        SharedSystemClient._identifier_to_system.pop(str(self._path), None)
        SharedSystemClient._identifier_to_refcount.pop(str(self._path), None)
        self._is_new = not any(self._path.rglob("header.bin"))
        with self._explained():
            settings = Settings(anonymized_telemetry=False)
            self._client = cast("Client", chromadb.PersistentClient(str(self._path), settings=settings))
            store = Chroma(
                collection_name=COLLECTION,
                client=self._client,
                embedding_function=self._embeddings,
                collection_configuration={"hnsw": {"space": "cosine"}},
            )
            self._collection = self._client.get_collection(COLLECTION)
            return store

    def _remove_files(self) -> None:
        for item in self._path.iterdir():
            if item.is_dir():
                shutil.rmtree(item)
            elif item.name != LOCK:
                item.unlink()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Distinguish a damaged store, which is rebuilt, from a failed write (such as a full disk), which must not be."""
        from chromadb.errors import ChromaError

        try:
            yield
        except ChromaError as error:
            if any(sign in str(error) for sign in WRITE_ERRORS):
                msg = (
                    f"The vector index {self._path} can't be written ({error}). Free some space or fix its permissions."
                )
                raise LedgerError(msg) from error
            msg = f"The vector index {self._path} is damaged ({error!s:.200}). Run `memlora doctor --rebuild`."
            raise IndexDamagedError(msg) from error
