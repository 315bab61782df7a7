"""Differences between LangChain's vector stores: filters, ids and thread safety."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from langchain_core.vectorstores import InMemoryVectorStore, VectorStore

MakeFilter = Callable[[Mapping[str, str]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Strategy:
    """The properties of one class of store.

    Attributes:
        make_filter: Converts the fields every hit must have to keyword arguments for `similarity_search`; `None` for a store
            without a filter, or with an unknown one.
        slow_filter: The filter's time grows with the number of entries it accepts, so an unfiltered search is tried first:
            a user with many entries is among the nearest of all.
        uuids: The store accepts only UUIDs as ids.
        one_at_a_time: The store is not thread-safe.
    """

    make_filter: MakeFilter | None = None
    slow_filter: bool = False
    uuids: bool = False
    one_at_a_time: bool = False


def strategy_of(store: VectorStore) -> Strategy:
    """Return the strategy for a store, by the name of its class, so that its package need not be installed."""
    if type(store).__name__ == "QdrantVectorStore":
        return Strategy(_qdrant_filter, uuids=True, one_at_a_time=_is_embedded(store))
    return _BY_NAME.get(type(store).__name__, Strategy())


def _operators(wanted: Mapping[str, str]) -> dict[str, Any]:
    return {"filter": {"$and": [{key: {"$eq": value}} for key, value in wanted.items()]}}


def _callable(wanted: Mapping[str, str]) -> dict[str, Any]:
    return {"filter": lambda document: all(document.metadata.get(key) == value for key, value in wanted.items())}


def _qdrant_filter(wanted: Mapping[str, str]) -> dict[str, Any]:
    from qdrant_client.models import FieldCondition, Filter, MatchValue

    must = [FieldCondition(key=f"metadata.{key}", match=MatchValue(value=value)) for key, value in wanted.items()]
    return {"filter": Filter(must=must)}


def _is_embedded(store: Any) -> bool:
    """Return whether a Qdrant store runs in this process; its arrays then grow during reads."""
    return type(store.client._client).__name__ == "QdrantLocal"


_BY_NAME = {
    "Chroma": Strategy(_operators, slow_filter=True),
    InMemoryVectorStore.__name__: Strategy(_callable),
    "PGVector": Strategy(_operators),
    "PGVectorStore": Strategy(_operators, uuids=True),
}
