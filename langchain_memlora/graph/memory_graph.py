"""The memory graph: remember what came, then respond to what is asked. Both halves are graphs of their own."""

from __future__ import annotations

from typing import Literal

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from langchain_memlora.graph.remember import build_remember_graph
from langchain_memlora.graph.respond import build_respond_graph
from langchain_memlora.graph.state import MemoryState, Services


def build_memory_graph(services: Services, *, checkpointer: Literal[False] | None = False) -> StateGraph:
    """Build the whole picture, uncompiled.

    Input: `scope`, and `turns` to remember, a `question` to answer, or both.

    Args:
        checkpointer: `False` keeps the state of both halves out of the checkpointer of a graph that this one is put
            into. LangGraph draws such halves as one box each; `None` draws their nodes.

    Example:
        ```python
        from langchain_memlora import MemLoRAMemory, build_memory_graph

        with MemLoRAMemory() as memory:
            print(build_memory_graph(memory.services, checkpointer=None).compile().get_graph(xray=True).draw_mermaid())
        ```
    """
    graph = StateGraph(MemoryState)
    graph.add_node("remember", build_remember_graph(services).compile(checkpointer=checkpointer, name="remember"))
    graph.add_node("respond", build_respond_graph(services).compile(checkpointer=checkpointer, name="respond"))
    graph.add_conditional_edges(START, lambda s: "remember" if _to_remember(s) else "respond", ["remember", "respond"])
    graph.add_conditional_edges("remember", lambda s: "respond" if s.get("question") else END, ["respond", END])
    graph.add_edge("respond", END)
    return graph


def compile_quietly(graph: StateGraph, name: str) -> CompiledStateGraph:
    """Compile a graph that leaves nothing in a checkpointer of whoever calls it."""
    return graph.compile(checkpointer=False, name=name)


def _to_remember(state: MemoryState) -> bool:
    return bool(state.get("turns") or state.get("jobs"))
