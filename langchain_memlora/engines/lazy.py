"""The default engine, made at its first request: opening a memory must not import torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from langchain_memlora.engines.base import Completion, Engine, Request
from langchain_memlora.engines.chat import ChatRequest, Say


class LazyEngine(Engine):
    """Puts off making an engine until something is to be computed.

    Args:
        make: Makes the real engine; called once, on the worker thread.
    """

    def __init__(self, make: Callable[[], Engine]) -> None:
        self._make = make
        self._real: Engine | None = None

    def load(self) -> None:
        self._real = self._make()
        self._real.load()

    def compute(self, requests: Sequence[Request]) -> list[Completion]:
        assert self._real is not None
        return self._real.compute(requests)

    def write(self, request: ChatRequest, say: Say) -> Completion:
        assert self._real is not None
        return self._real.write(request, say)

    def release(self) -> None:
        if self._real:
            self._real.release()
