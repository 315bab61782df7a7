"""The respond graph: a question becomes an answer."""

from __future__ import annotations

from langgraph.graph import END, START, StateGraph

from langchain_memlora.graph.answer import make_answer
from langchain_memlora.graph.answer_from_image import make_look, remembered_pictures
from langchain_memlora.graph.observe import observed
from langchain_memlora.graph.retrieve import make_retrieve
from langchain_memlora.graph.state import RespondInput, RespondOutput, RespondState, Services


def build_respond_graph(services: Services) -> StateGraph:
    """Build `retrieve -> answer`, uncompiled; a question about a picture goes to `look` in place of `answer`."""

    def after_retrieve(state: RespondState) -> str:
        return "look" if state.get("images") or remembered_pictures(services, state) else "answer"

    graph = StateGraph(RespondState, input_schema=RespondInput, output_schema=RespondOutput)
    graph.add_node("retrieve", observed("retrieve", make_retrieve(services)))
    graph.add_node("answer", observed("answer", make_answer(services)))
    graph.add_node("look", observed("look", make_look(services)))
    graph.add_edge(START, "retrieve")
    graph.add_conditional_edges("retrieve", after_retrieve, ["look", "answer"])
    graph.add_edge("answer", END)
    graph.add_edge("look", END)
    return graph
