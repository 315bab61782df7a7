"""An embedder that embeds each text once: its vectors are cached in the ledger."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, lru_cache

from langchain_core.embeddings import Embeddings

from langchain_memlora.ledger import Ledger

PART = 64
"""Texts that are embedded before their vectors are written down."""


class CachedEmbeddings(Embeddings):
    """Wraps an embedder with the ledger's vector cache.

    Args:
        load: Returns the real embedder; called at the first text that is not in the cache.
        name: The embedder's id, part of the cache key.
        symmetric: The embedder treats queries like documents, so that a query's vector may come from the cache. Others put
            prefixes before queries, or send them to another model.
    """

    def __init__(self, load: Callable[[], Embeddings], name: str, ledger: Ledger, *, symmetric: bool = False) -> None:
        self._ledger = ledger
        self._source = _Source(load, name, ledger if symmetric else None)

    @property
    def name(self) -> str:
        """The embedder's id."""
        return self._source.name

    @property
    def real(self) -> Embeddings:
        """The wrapped embedder, loaded on first use."""
        return self._source.real

    def forget(self) -> None:
        """Drop the queries that are cached in RAM."""
        self._source.queries.cache_clear()

    def replace(self, other: CachedEmbeddings) -> None:
        """Use the embedder of another wrapper from now on; a call that has begun ends with the old one."""
        self._source = other._source

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embed texts, reading from the cache where possible; long work that is interrupted continues from there."""
        source = self._source
        found = self._ledger.cached_vectors(source.name, texts)
        missing = [text for text in dict.fromkeys(texts) if text not in found]
        for start in range(0, len(missing), PART):
            part = missing[start : start + PART]
            fresh = dict(zip(part, source.real.embed_documents(part), strict=True))
            self._ledger.cache_vectors(source.name, fresh)
            found.update(fresh)
        return [found[text] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        """Embed a query; the last few are cached in RAM only."""
        return list(self._source.queries(text))


class _Source:
    """An embedder, its name, and the queries that it has embedded, which change together."""

    def __init__(self, load: Callable[[], Embeddings], name: str, known: Ledger | None) -> None:
        self._load = load
        self._known = known
        self.name = name
        self.queries = lru_cache(maxsize=256)(self._embed_query)

    @cached_property
    def real(self) -> Embeddings:
        return self._load()

    def _embed_query(self, text: str) -> tuple[float, ...]:
        known = self._known.cached_vectors(self.name, [text]) if self._known else {}
        return tuple(known[text] if text in known else self.real.embed_query(text))
