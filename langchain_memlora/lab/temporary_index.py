"""A ledger's index in memory, for ledgers that are thrown away after a run."""

from __future__ import annotations

from dataclasses import dataclass

from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import InMemoryVectorStore

from langchain_memlora.indexes import VectorStoreIndex
from langchain_memlora.indexes.embeddings import CachedEmbeddings
from langchain_memlora.indexes.sync import SyncedIndex
from langchain_memlora.ledger import Ledger
from langchain_memlora.models import OnnxEmbeddings, default_embeddings
from langchain_memlora.retrieval import Reranker, Retriever

EMBEDDER = "temporary"


@dataclass(frozen=True, slots=True)
class TemporaryIndex:
    """An index in memory and what searches it."""

    embeddings: CachedEmbeddings
    synced: SyncedIndex
    retriever: Retriever


def temporary_index(
    ledger: Ledger, embeddings: Embeddings | None = None, reranker: Reranker | None = None
) -> TemporaryIndex:
    """Index a ledger in memory.

    Args:
        embeddings: Default: the package's own.
        reranker: The second stage of searches; None for none.
    """
    real = embeddings or default_embeddings()
    cached = CachedEmbeddings(lambda: real, EMBEDDER, ledger, symmetric=isinstance(real, OnnxEmbeddings))
    synced = SyncedIndex(VectorStoreIndex(InMemoryVectorStore(cached)), ledger, EMBEDDER)
    return TemporaryIndex(cached, synced, Retriever(ledger, lambda: synced, reranker=reranker))
