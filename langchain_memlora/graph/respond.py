"""The respond graph: a question becomes an answer."""

from __future__ import annotations

from langgraph.graph import END, START, StateGraph

from langchain_memlora.graph.answer import make_answer
from langchain_memlora.graph.answer_from_image import make_answer_from_image, remembered_pictures
from langchain_memlora.graph.observe import observed
from langchain_memlora.graph.retrieve import make_retrieve
from langchain_memlora.graph.state import RespondInput, RespondOutput, RespondState, Services


def build_respond_graph(services: Services) -> StateGraph[RespondState, None, RespondInput, RespondOutput]:
    """Build `retrieve -> answer`, uncompiled; questions about pictures go to `answer_from_image` instead of `answer`."""

    def after_retrieve(state: RespondState) -> str:
        about_images = state.get("images") or remembered_pictures(services, state["hits"])
        return "answer_from_image" if about_images else "answer"

    graph = StateGraph(RespondState, input_schema=RespondInput, output_schema=RespondOutput)
    graph.add_node("retrieve", observed("retrieve", make_retrieve(services)))
    graph.add_node("answer", observed("answer", make_answer(services)))
    graph.add_node("answer_from_image", observed("answer_from_image", make_answer_from_image(services)))
    graph.add_edge(START, "retrieve")
    graph.add_conditional_edges("retrieve", after_retrieve, ["answer_from_image", "answer"])
    graph.add_edge("answer", END)
    graph.add_edge("answer_from_image", END)
    return graph
