"""An embedder that embeds each text once: its vectors are cached in the ledger."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, lru_cache

from langchain_core.embeddings import Embeddings

from langchain_memlora.ledger import Ledger


class CachedEmbeddings(Embeddings):
    """Wraps an embedder with the ledger's vector cache.

    Args:
        load: Returns the real embedder; called at the first text that is not in the cache.
        name: The embedder's id, part of the cache key.
    """

    def __init__(self, load: Callable[[], Embeddings], name: str, ledger: Ledger) -> None:
        self._load = load
        self._ledger = ledger
        self.name = name
        self._query = lru_cache(maxsize=256)(self._embed_query)

    @cached_property
    def real(self) -> Embeddings:
        """The wrapped embedder, loaded on first use."""
        return self._load()

    def forget(self) -> None:
        """Drop the queries that are cached in RAM."""
        self._query.cache_clear()

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embed texts, reading from the cache where possible."""
        found = self._ledger.cached_vectors(self.name, texts)
        missing = [text for text in dict.fromkeys(texts) if text not in found]
        if missing:
            fresh = dict(zip(missing, self.real.embed_documents(missing), strict=True))
            self._ledger.cache_vectors(self.name, fresh)
            found.update(fresh)
        return [found[text] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        """Embed a query; the last few are cached in RAM only."""
        return list(self._query(text))

    def _embed_query(self, text: str) -> tuple[float, ...]:
        known = self._ledger.cached_vectors(self.name, [text])
        return tuple(known[text] if text in known else self.real.embed_query(text))
