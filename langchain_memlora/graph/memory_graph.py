"""The memory graph: remembers new turns, then responds to a question. Both halves are graphs of their own."""

from __future__ import annotations

from typing import Literal

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.typing import ContextT, InputT, OutputT, StateT

from langchain_memlora.graph.remember import build_remember_graph
from langchain_memlora.graph.respond import build_respond_graph
from langchain_memlora.graph.state import MemoryGraphState, Services


def build_memory_graph(
    services: Services, *, checkpointer: Literal[False] | None = False
) -> StateGraph[MemoryGraphState, None, MemoryGraphState, MemoryGraphState]:
    """Build the whole graph, uncompiled.

    Input: `scope`, and `turns` to remember, a `question` to answer, or both.

    Args:
        checkpointer: `False` keeps the state of both halves out of the checkpointer of a graph that contains this one.
            LangGraph draws such halves as one box each; `None` draws their nodes.

    Example:
        ```python
        from langchain_memlora import MemLoRAMemory, build_memory_graph

        with MemLoRAMemory() as memory:
            print(build_memory_graph(memory.services, checkpointer=None).compile().get_graph(xray=True).draw_mermaid())
        ```
    """
    graph = StateGraph(MemoryGraphState)
    graph.add_node("remember", build_remember_graph(services).compile(checkpointer=checkpointer, name="remember"))
    graph.add_node("respond", build_respond_graph(services).compile(checkpointer=checkpointer, name="respond"))
    graph.add_conditional_edges(START, lambda s: "remember" if _has_work(s) else "respond", ["remember", "respond"])
    graph.add_conditional_edges("remember", lambda s: "respond" if s.get("question") else END, ["respond", END])
    graph.add_edge("respond", END)
    return graph


def compile_without_checkpointer(
    graph: StateGraph[StateT, ContextT, InputT, OutputT], name: str
) -> CompiledStateGraph[StateT, ContextT, InputT, OutputT]:
    """Compile a graph whose state stays out of a calling graph's checkpointer."""
    return graph.compile(checkpointer=False, name=name)


def _has_work(state: MemoryGraphState) -> bool:
    return bool(state.get("turns") or state.get("jobs"))
