"""Where LangChain's vector stores differ: how a search is filtered, and which ids and callers a store can take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from langchain_core.vectorstores import InMemoryVectorStore, VectorStore

MakeFilter = Callable[[Mapping[str, str]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Strategy:
    """How to talk to one kind of store.

    Attributes:
        make_filter: Turns the fields every hit must have into keyword arguments for `similarity_search`; `None` for a store
            that can't be filtered, or for which we do not know how.
        slow_filter: The filter's time grows with what it lets through, so it pays to look without it first: whoever owns much
            of the store is among the nearest of all.
        uuids: The store takes no ids but UUIDs.
        one_at_a_time: The store breaks when several threads use it.
    """

    make_filter: MakeFilter | None = None
    slow_filter: bool = False
    uuids: bool = False
    one_at_a_time: bool = False


def strategy_of(store: VectorStore) -> Strategy:
    """The strategy for a store, by the name of its class: its package need not be installed where it is not used."""
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
    """Whether a Qdrant store computes in this process; then its arrays grow under readers."""
    return type(store.client._client).__name__ == "QdrantLocal"


_BY_NAME = {
    "Chroma": Strategy(_operators, slow_filter=True),
    InMemoryVectorStore.__name__: Strategy(_callable),
    "PGVector": Strategy(_operators),
    "PGVectorStore": Strategy(_operators, uuids=True),
}
