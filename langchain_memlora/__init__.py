"""Long-term memory for LangChain agents on your own machine: one small model, one LoRA expert per memory operation.

Importing this package imports neither torch nor chromadb: names load their modules at first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from langchain_memlora._version import __version__ as __version__

if TYPE_CHECKING:  # `as` marks a re-export for type checkers, which can't read a computed `__all__`
    from langchain_memlora import errors as errors
    from langchain_memlora import types as types
    from langchain_memlora.bundles import Bundle as Bundle
    from langchain_memlora.bundles import Role as Role
    from langchain_memlora.bundles import load_bundle as load_bundle
    from langchain_memlora.engines import Engine as Engine
    from langchain_memlora.engines import TransformersEngine as TransformersEngine
    from langchain_memlora.graph import Services as Services
    from langchain_memlora.graph import build_memory_graph as build_memory_graph
    from langchain_memlora.graph import build_remember_graph as build_remember_graph
    from langchain_memlora.graph import build_respond_graph as build_respond_graph
    from langchain_memlora.indexes import Index as Index
    from langchain_memlora.indexes import VectorStoreIndex as VectorStoreIndex
    from langchain_memlora.integrations import ChatMemLoRA as ChatMemLoRA
    from langchain_memlora.integrations import MemLoRAMiddleware as MemLoRAMiddleware
    from langchain_memlora.integrations import MemLoRARetriever as MemLoRARetriever
    from langchain_memlora.integrations import memory_tools as memory_tools
    from langchain_memlora.ledger import Ledger as Ledger
    from langchain_memlora.ledger import Retention as Retention
    from langchain_memlora.memory.memory import MemLoRAMemory as MemLoRAMemory
    from langchain_memlora.memory.user_view import UserMemory as UserMemory
    from langchain_memlora.types import AddResult as AddResult
    from langchain_memlora.types import Answer as Answer
    from langchain_memlora.types import Hit as Hit
    from langchain_memlora.types import Memory as Memory
    from langchain_memlora.types import Operation as Operation
    from langchain_memlora.types import Scope as Scope
    from langchain_memlora.types import Turn as Turn

_PUBLIC = {
    "bundles": ("Bundle", "Role", "load_bundle"),
    "engines": ("Engine", "TransformersEngine"),
    "graph": ("Services", "build_memory_graph", "build_remember_graph", "build_respond_graph"),
    "indexes": ("Index", "VectorStoreIndex"),
    "integrations": ("ChatMemLoRA", "MemLoRAMiddleware", "MemLoRARetriever", "memory_tools"),
    "ledger": ("Ledger", "Retention"),
    "memory.memory": ("MemLoRAMemory",),
    "memory.user_view": ("UserMemory",),
    "types": ("AddResult", "Answer", "Hit", "Memory", "Operation", "Scope", "Turn"),
}
_MODULE_OF = {name: module for module, names in _PUBLIC.items() for name in names}
_MODULES = ("errors", "types")

__all__ = tuple(sorted([*_MODULE_OF, *_MODULES, "__version__"]))


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    if name not in _MODULE_OF:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
