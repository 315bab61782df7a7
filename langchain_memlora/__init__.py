"""Long-term memory for LangChain agents on your own machine: one small model, one LoRA expert per memory operation.

Importing this package imports neither torch nor chromadb: names load what they need when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from langchain_memlora._version import __version__

if TYPE_CHECKING:
    from langchain_memlora import errors, types
    from langchain_memlora.bundles import Bundle, Role, load_bundle
    from langchain_memlora.engines import Engine, TransformersEngine
    from langchain_memlora.graph import Services, build_memory_graph, build_remember_graph, build_respond_graph
    from langchain_memlora.indexes import Index, VectorStoreIndex
    from langchain_memlora.integrations import ChatMemLoRA, MemLoRAMiddleware, MemLoRARetriever, memory_tools
    from langchain_memlora.ledger import Ledger, Retention
    from langchain_memlora.memory.memory import MemLoRAMemory
    from langchain_memlora.memory.user_view import UserMemory
    from langchain_memlora.types import AddResult, Answer, Hit, Memory, Operation, Scope, Turn

_HOMES = {
    "AddResult": "types",
    "Answer": "types",
    "Bundle": "bundles",
    "ChatMemLoRA": "integrations",
    "Engine": "engines",
    "Hit": "types",
    "Index": "indexes",
    "Ledger": "ledger",
    "MemLoRAMemory": "memory.memory",
    "MemLoRAMiddleware": "integrations",
    "MemLoRARetriever": "integrations",
    "Memory": "types",
    "Operation": "types",
    "Retention": "ledger",
    "Role": "bundles",
    "Scope": "types",
    "Services": "graph",
    "TransformersEngine": "engines",
    "Turn": "types",
    "UserMemory": "memory.user_view",
    "VectorStoreIndex": "indexes",
    "build_memory_graph": "graph",
    "build_remember_graph": "graph",
    "build_respond_graph": "graph",
    "load_bundle": "bundles",
    "memory_tools": "integrations",
}
_MODULES = ("errors", "types")

__all__ = (
    "AddResult",
    "Answer",
    "Bundle",
    "ChatMemLoRA",
    "Engine",
    "Hit",
    "Index",
    "Ledger",
    "MemLoRAMemory",
    "MemLoRAMiddleware",
    "MemLoRARetriever",
    "Memory",
    "Operation",
    "Retention",
    "Role",
    "Scope",
    "Services",
    "TransformersEngine",
    "Turn",
    "UserMemory",
    "VectorStoreIndex",
    "__version__",
    "build_memory_graph",
    "build_remember_graph",
    "build_respond_graph",
    "errors",
    "load_bundle",
    "memory_tools",
    "types",
)


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
