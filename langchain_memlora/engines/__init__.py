"""Engines, which complete prompts for a role. Only this package, `models` and `lab` import torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_memlora.engines.base import Completion, Engine, Request
from langchain_memlora.engines.chat import ChatRequest
from langchain_memlora.engines.registry import named_engine

if TYPE_CHECKING:
    from langchain_memlora.engines.transformers import TransformersEngine

__all__ = ["ChatRequest", "Completion", "Engine", "Request", "TransformersEngine", "named_engine"]


def __getattr__(name: str) -> object:
    if name == "TransformersEngine":
        from langchain_memlora.engines.transformers import TransformersEngine

        return TransformersEngine
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
