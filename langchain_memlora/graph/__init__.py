"""What happens: one node a file, two graphs, and the picture that holds both."""

from langchain_memlora.graph.memory_graph import build_memory_graph, compile_quietly
from langchain_memlora.graph.remember import build_remember_graph
from langchain_memlora.graph.respond import build_respond_graph
from langchain_memlora.graph.state import Services

__all__ = ["Services", "build_memory_graph", "build_remember_graph", "build_respond_graph", "compile_quietly"]
