"""The LangGraph graphs: one node a file, a remember and a respond graph, and a graph that holds both."""

from langchain_memlora.errors import moved_names
from langchain_memlora.graph.memory_graph import build_memory_graph, compile_without_checkpointer
from langchain_memlora.graph.remember import build_remember_graph
from langchain_memlora.graph.reread import build_reread_graph
from langchain_memlora.graph.respond import build_respond_graph
from langchain_memlora.graph.state import Services

__all__ = [
    "Services",
    "build_memory_graph",
    "build_remember_graph",
    "build_reread_graph",
    "build_respond_graph",
    "compile_without_checkpointer",
]

__getattr__ = moved_names(
    __name__,
    {
        "compile_quietly": "langchain_memlora.graph.compile_without_checkpointer",
    },
)
