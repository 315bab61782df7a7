"""A memory as LangChain components. Names load their modules at first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from langchain_memlora.integrations.chat_model import ChatMemLoRA
    from langchain_memlora.integrations.middleware import MemLoRAMiddleware
    from langchain_memlora.integrations.retriever import MemLoRARetriever
    from langchain_memlora.integrations.tools import memory_tools

_HOMES = {
    "ChatMemLoRA": "chat_model",
    "MemLoRAMiddleware": "middleware",
    "MemLoRARetriever": "retriever",
    "memory_tools": "tools",
}

__all__ = ["ChatMemLoRA", "MemLoRAMiddleware", "MemLoRARetriever", "memory_tools"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
