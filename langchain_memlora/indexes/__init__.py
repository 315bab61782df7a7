"""Vector indexes, derived from the ledger and rebuilt from it at any time."""

from langchain_memlora.indexes.base import Entry, Index, Kind
from langchain_memlora.indexes.vectorstore import VectorStoreIndex

__all__ = ["Entry", "Index", "Kind", "VectorStoreIndex"]
