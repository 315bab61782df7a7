"""The embedder that measures similarity, which stays the same when the embedder of search changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_memlora.indexes.embeddings import CachedEmbeddings
from langchain_memlora.models import DEFAULT_EMBEDDER, default_embeddings
from langchain_memlora.models.pins import EARLIER_EMBEDDER

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings

    from langchain_memlora.memory.memory import MemLoRAMemory

METRIC_EMBEDDER = EARLIER_EMBEDDER
"""The thresholds of similarity were set with it, and earlier figures were measured with it."""


def metric_embeddings(memory: MemLoRAMemory) -> Embeddings:
    """Return all-MiniLM-L6-v2, cached in the ledger; a memory that was given an embedder is measured by that one."""
    if memory.embeddings.name != DEFAULT_EMBEDDER:
        return memory.embeddings
    return CachedEmbeddings(lambda: default_embeddings(METRIC_EMBEDDER), METRIC_EMBEDDER, memory.ledger)
