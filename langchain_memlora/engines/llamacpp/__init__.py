"""The engine on llama.cpp; it needs the extra `llamacpp`. Writing adapters in llama.cpp's form does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_memlora.engines.llamacpp.adapters import write_adapter

if TYPE_CHECKING:
    from langchain_memlora.engines.llamacpp.engine import LlamaCppEngine

__all__ = ["LlamaCppEngine", "write_adapter"]


def __getattr__(name: str) -> object:
    if name == "LlamaCppEngine":
        from langchain_memlora.engines.llamacpp.engine import LlamaCppEngine

        return LlamaCppEngine
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
