"""The remember graph: a conversation becomes memories."""

from __future__ import annotations

from langgraph.graph import END, START, StateGraph

from langchain_memlora.graph.caption import make_caption, uncaptioned_turns
from langchain_memlora.graph.commit import make_commit
from langchain_memlora.graph.extract import make_extract
from langchain_memlora.graph.match import make_match
from langchain_memlora.graph.observe import observed
from langchain_memlora.graph.record import make_record
from langchain_memlora.graph.state import RememberInput, RememberOutput, RememberState, Services
from langchain_memlora.graph.update import make_update


def build_remember_graph(services: Services) -> StateGraph[RememberState, None, RememberInput, RememberOutput]:
    """Build `record -> (caption) -> extract -> match -> update -> commit`, uncompiled, so that nodes can be added.

    After `commit` the next group of windows is extracted, or the same facts are matched again if the scope changed. A group
    with pictures that have no caption goes to `caption` first.
    """

    def next_group(state: RememberState) -> str:
        return "caption" if uncaptioned_turns(services, state["jobs"]) else "extract"

    def after_record(state: RememberState) -> str:
        return next_group(state) if state["jobs"] and not state.get("defer") else END

    def after_commit(state: RememberState) -> str:
        if state["conflicts"]:
            return "match"
        return next_group(state) if state["jobs"] else END

    graph = StateGraph(RememberState, input_schema=RememberInput, output_schema=RememberOutput)
    graph.add_node("record", observed("record", make_record(services)))
    graph.add_node("caption", observed("caption", make_caption(services)))
    graph.add_node("extract", observed("extract", make_extract(services)))
    graph.add_node("match", observed("match", make_match(services)))
    graph.add_node("update", observed("update", make_update(services)))
    graph.add_node("commit", observed("commit", make_commit(services)))
    graph.add_edge(START, "record")
    graph.add_conditional_edges("record", after_record, ["caption", "extract", END])
    graph.add_edge("caption", "extract")
    graph.add_edge("extract", "match")
    graph.add_edge("match", "update")
    graph.add_edge("update", "commit")
    graph.add_conditional_edges("commit", after_commit, ["match", "caption", "extract", END])
    return graph
