"""Any LangChain `VectorStore` as an index. Only the portable part of the interface is used: upsert by id, delete, search.

Stores differ in how a search is filtered and in what a score means. Filters are a small strategy per store; scores are
never read, only ranks. A wrong or ignored filter can't leak: the owner of every hit is checked here and in the ledger.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from langchain_core.documents import Document
from langchain_core.vectorstores import InMemoryVectorStore, VectorStore

from langchain_memlora.indexes.base import Entry, Index, Kind

PAUSE = 0.1
MakeFilter = Callable[[Mapping[str, str]], dict[str, Any]]


class VectorStoreIndex(Index):
    """Adapts a vector store.

    Args:
        store: An empty store, or one that this class filled. It embeds with its own embedder.
        make_filter: Turns the fields every hit must have into keyword arguments for `similarity_search`, for instance
            `lambda fields: {"filter": dict(fields)}`. Chosen by type for Chroma and InMemoryVectorStore; other stores
            are asked for more hits and filtered here.

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
        self._filter = make_filter or _FILTERS.get(type(store).__name__)

    def write(self, entries: Sequence[Entry], removed: Sequence[str]) -> None:
        if removed:
            self.store.delete(list(removed))
        if entries:
            self.store.add_documents([_document(e) for e in entries], ids=[e.id for e in entries])

    def nearest(self, query: str, user_id: str, kind: Kind, k: int) -> list[str]:
        wanted = {"user_id": user_id, "kind": kind.value}
        options, count = (self._filter(wanted), k) if self._filter else ({}, 10 * k)
        try:
            found = self.store.similarity_search(query, k=count, **options)
        except (
            Exception
        ):  # a Chroma server that has just made a collection fails its first reader; a read may be repeated
            time.sleep(PAUSE)
            found = self.store.similarity_search(query, k=count, **options)
        mine = [hit for hit in found if all(hit.metadata.get(key) == value for key, value in wanted.items())]
        return [hit.metadata["item_id"] for hit in mine[:k]]

    def is_empty(self) -> bool:
        return not self.store.similarity_search("anything", k=1)


def _document(entry: Entry) -> Document:
    """An entry as a document. Every key is always written: Chroma merges metadata on upsert and would keep old ones."""
    return Document(
        id=entry.id,
        page_content=entry.text,
        metadata={
            "item_id": entry.item_id,
            "kind": entry.kind.value,
            "user_id": entry.scope.user_id,
            "agent_id": entry.scope.agent_id or "",
            "run_id": entry.scope.run_id or "",
            "observed_at": entry.observed_at.isoformat(),
        },
    )


def _chroma_filter(wanted: Mapping[str, str]) -> dict[str, Any]:
    return {"filter": {"$and": [{key: {"$eq": value}} for key, value in wanted.items()]}}


def _callable_filter(wanted: Mapping[str, str]) -> dict[str, Any]:
    return {"filter": lambda document: all(document.metadata.get(key) == value for key, value in wanted.items())}


_FILTERS: dict[str, MakeFilter] = {
    "Chroma": _chroma_filter,
    InMemoryVectorStore.__name__: _callable_filter,
}
