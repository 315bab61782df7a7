"""The reread graph: stored turns are read again, and what is read replaces the unproven memories that rest on them."""

from __future__ import annotations

from dataclasses import replace

from langgraph.graph import END, START, StateGraph

from langchain_memlora.graph.caption import make_caption, uncaptioned_turns
from langchain_memlora.graph.commit import make_commit
from langchain_memlora.graph.extract import make_extract
from langchain_memlora.graph.match import make_match
from langchain_memlora.graph.observe import observed
from langchain_memlora.graph.protect import make_protect
from langchain_memlora.graph.record import make_record
from langchain_memlora.graph.state import RememberInput, RememberOutput, RememberState, Services
from langchain_memlora.graph.update import make_update
from langchain_memlora.retrieval import Retriever
from langchain_memlora.retrieval.retriever import DEEPER
from langchain_memlora.types import Memory, Scope


class LastingCandidates(Retriever):
    """Leaves out the candidates that are about to be withdrawn: a fact that repeats one of them has to be stored."""

    depth = DEEPER

    def candidates(self, fact: str, scope: Scope, *, speaker: str | None = None, k: int = 10) -> list[Memory]:
        near = super().candidates(fact, scope, speaker=speaker, k=2 * self.depth)
        leaving = self._ledger.reading.replaceable([memory.id for memory in near if memory.form == "unproven"])
        return [memory for memory in near if memory.id not in leaving][:k]


def build_reread_graph(services: Services) -> StateGraph[RememberState, None, RememberInput, RememberOutput]:
    """Build `record -> (caption) -> extract -> match -> update -> protect -> commit` for one group of turns.

    The input has `again` and at most `services.group` jobs, one a turn, in the order of time.
    """
    services = replace(services, retriever=LastingCandidates(services.ledger, services.index))

    def first(state: RememberState) -> str:
        return "caption" if uncaptioned_turns(services, state["jobs"]) else "extract"

    graph = StateGraph(RememberState, input_schema=RememberInput, output_schema=RememberOutput)
    graph.add_node("record", observed("record", make_record(services)))
    graph.add_node("caption", observed("caption", make_caption(services)))
    graph.add_node("extract", observed("extract", make_extract(services)))
    graph.add_node("match", observed("match", make_match(services)))
    graph.add_node("update", observed("update", make_update(services)))
    graph.add_node("protect", observed("protect", make_protect(services)))
    graph.add_node("commit", observed("commit", make_commit(services)))
    graph.add_edge(START, "record")
    graph.add_conditional_edges("record", first, ["caption", "extract"])
    graph.add_edge("caption", "extract")
    graph.add_edge("extract", "match")
    graph.add_edge("match", "update")
    graph.add_edge("update", "protect")
    graph.add_edge("protect", "commit")
    graph.add_conditional_edges("commit", lambda state: "match" if state["conflicts"] else END, ["match", END])
    return graph
