"""The retrieve node: finds the memories and turns that may hold the answer, and writes them out within a token budget."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

from langchain_memlora.graph.state import Node, Services, emit, timed
from langchain_memlora.retrieval import Include
from langchain_memlora.retrieval.context import BUDGET, build_context
from langchain_memlora.types import Hit, Scope, Usage

K = 5


class RetrieveInput(TypedDict):
    """Keys that `retrieve` reads."""

    scope: Scope
    question: str
    k: NotRequired[int]
    budget: NotRequired[int]
    include: NotRequired[Include]
    filters: NotRequired[dict[str, Any] | None]
    usage: NotRequired[list[Usage]]


class RetrieveOutput(TypedDict):
    """Keys that `retrieve` writes."""

    hits: list[Hit]
    context: str
    usage: list[Usage]


def make_retrieve(services: Services) -> Node[RetrieveInput, RetrieveOutput]:
    """Make the node."""

    def retrieve(state: RetrieveInput) -> RetrieveOutput:
        with timed() as clock:
            hits = services.retriever.search(
                state["question"],
                state["scope"],
                k=state.get("k") or K,
                include=state.get("include") or "both",
                filters=state.get("filters"),
            )
            context = build_context(
                hits,
                budget=state.get("budget") or BUDGET,
                query=state["question"],
                count=services.experts.count,
            )
        emit("retrieve", hits=hits, context=context, usage=clock(Usage("retrieve")))
        return {"hits": hits, "context": context, "usage": [*state.get("usage", []), clock(Usage("retrieve"))]}

    return retrieve
