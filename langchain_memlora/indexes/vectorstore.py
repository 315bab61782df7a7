"""Any LangChain `VectorStore` as an index. Only the portable part of its interface is used: upsert by id, delete, search.

Stores differ in filters, in the ids they accept and in the meaning of scores. A small strategy per store covers the first two;
scores are never read, only ranks. A wrong or ignored filter can't leak: the owner of every hit is checked here and in the
ledger.
"""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC
from typing import Any

from langchain_core.documents import Document
from langchain_core.vectorstores import VectorStore

from langchain_memlora.indexes.base import Entry, Index, Kind
from langchain_memlora.indexes.strategies import MakeFilter, strategy_of

PAUSES = (0.1, 0.4)
WIDER = 4
IDS = uuid.UUID("6d656d6c-6f72-4a00-8000-000000000001")
"""The namespace of the UUIDs that represent entry ids in stores that accept only UUIDs."""


class VectorStoreIndex(Index):
    """Adapts a vector store.

    Args:
        store: An empty store, or one that this class filled. It embeds with its own embedder.
        make_filter: Converts the fields every hit must have to keyword arguments for `similarity_search`, for instance
            `lambda fields: {"filter": dict(fields)}`. Built in for Chroma, InMemoryVectorStore, Qdrant, PGVectorStore and
            PGVector. In other stores ever wider searches are filtered here: correct, but slow in a large store.

    Example:
        ```python
        from langchain_core.embeddings import DeterministicFakeEmbedding
        from langchain_core.vectorstores import InMemoryVectorStore
        from langchain_memlora.indexes import VectorStoreIndex

        index = VectorStoreIndex(InMemoryVectorStore(DeterministicFakeEmbedding(size=8)))
        ```
    """

    def __init__(self, store: VectorStore, *, make_filter: MakeFilter | None = None) -> None:
        self.store = store
        known = strategy_of(store)
        self._strategy = replace(known, make_filter=make_filter) if make_filter else known
        self._guard = threading.RLock() if known.one_at_a_time else contextlib.nullcontext()

    @property
    def store_type(self) -> str:
        return type(self.store).__name__

    def write(self, entries: Sequence[Entry], removed: Sequence[str]) -> None:
        with self._guard:
            if removed:
                self.store.delete(self._ids(removed))
            if entries:
                self.store.add_documents([_document(e) for e in entries], ids=self._ids([e.id for e in entries]))

    def nearest(self, query: str, user_id: str, kind: Kind, k: int) -> list[str]:
        if self._strategy.make_filter and self._strategy.slow_filter:
            mine = self._search(query, _wanted(user_id, kind), k * WIDER)[1]
            if len(mine) >= k:
                return mine[:k]
        return self._filtered(query, user_id, kind, k)

    def held(self, ids: Sequence[str]) -> int:
        with self._guard:
            return len(self.store.get_by_ids(self._ids(ids))) if ids else 0

    def is_empty(self) -> bool:
        return not self._read("anything", 1)

    def _filtered(self, query: str, user_id: str, kind: Kind, k: int) -> list[str]:
        """Search with the store's filter or, if it has none, with ever wider searches."""
        wanted = _wanted(user_id, kind)
        if make := self._strategy.make_filter:
            return self._search(query, wanted, k, **make(wanted))[1][:k]
        count = k
        while True:  # a user with few entries may rank behind many others
            count *= WIDER
            found, mine = self._search(query, wanted, count)
            if len(mine) >= k or found < count:
                return mine[:k]

    def _search(self, query: str, wanted: Mapping[str, str], count: int, **options: Any) -> tuple[int, list[str]]:
        """Return the number of hits from the store, and the item ids of those that match `wanted`."""
        found = self._read(query, count, **options)
        mine = [hit for hit in found if all(hit.metadata.get(key) == value for key, value in wanted.items())]
        return len(found), [hit.metadata["item_id"] for hit in mine]

    def _read(self, query: str, count: int, **options: Any) -> list[Document]:
        """Search the store, with retries: a Chroma server that has just created a collection fails its first readers."""
        for pause in PAUSES:
            try:
                with self._guard:
                    return self.store.similarity_search(query, k=count, **options)
            except Exception:
                time.sleep(pause)
        with self._guard:
            return self.store.similarity_search(query, k=count, **options)

    def _ids(self, ids: Sequence[str]) -> list[str]:
        """Return entry ids in the form that the store accepts."""
        return [str(uuid.uuid5(IDS, key)) for key in ids] if self._strategy.uuids else list(ids)


def _wanted(user_id: str, kind: Kind) -> dict[str, str]:
    return {"user_id": user_id, "kind": kind.value}


def _document(entry: Entry) -> Document:
    """Convert an entry to a document. All keys are always written: Chroma merges metadata on upsert and keeps old ones."""
    return Document(
        id=entry.id,
        page_content=entry.text.replace("\0", " "),  # PostgreSQL can't hold it
        metadata={
            "item_id": entry.item_id,
            "kind": entry.kind.value,
            "user_id": entry.scope.user_id,
            "agent_id": entry.scope.agent_id or "",
            "run_id": entry.scope.run_id or "",
            "observed_at": entry.observed_at.astimezone(UTC).isoformat(),
        },
    )
