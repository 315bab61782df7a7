"""The respond graph: a question becomes an answer."""

from __future__ import annotations

from langgraph.graph import END, START, StateGraph

from langchain_memlora.graph.answer import make_answer
from langchain_memlora.graph.observe import observed
from langchain_memlora.graph.retrieve import make_retrieve
from langchain_memlora.graph.see import has_images, make_see
from langchain_memlora.graph.state import RespondInput, RespondOutput, RespondState, Services


def build_respond_graph(services: Services) -> StateGraph:
    """Build `retrieve -> answer`, uncompiled; a question with an image goes to `see` in place of `answer`."""
    graph = StateGraph(RespondState, input_schema=RespondInput, output_schema=RespondOutput)
    graph.add_node("retrieve", observed("retrieve", make_retrieve(services)))
    graph.add_node("answer", observed("answer", make_answer(services)))
    graph.add_node("see", observed("see", make_see(services)))
    graph.add_edge(START, "retrieve")
    graph.add_conditional_edges("retrieve", lambda s: "see" if has_images(s) else "answer", ["see", "answer"])
    graph.add_edge("answer", END)
    graph.add_edge("see", END)
    return graph
