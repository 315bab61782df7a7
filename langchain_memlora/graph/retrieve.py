"""retrieve: the memories and turns that may hold the answer, written down for the reader within its budget."""

from __future__ import annotations

from typing import Any

from langchain_memlora.graph.state import Node, RespondState, Services, emit, timed
from langchain_memlora.retrieval.context import BUDGET, build_context
from langchain_memlora.types import Usage

K = 5


def make_retrieve(services: Services) -> Node:
    """Make the node."""

    def retrieve(state: RespondState) -> dict[str, Any]:
        with timed() as clock:
            hits = services.retriever.search(
                state["question"],
                state["scope"],
                k=state.get("k") or K,
                include=state.get("include") or "both",
                filters=state.get("filters"),
            )
            context = build_context(hits, budget=state.get("budget") or BUDGET)
        emit("retrieve", hits=hits, context=context, usage=clock(Usage("retrieve")))
        return {"hits": hits, "context": context, "usage": [*state.get("usage", []), clock(Usage("retrieve"))]}

    return retrieve
