"""An engine that is made at its first request, so that opening a memory imports neither torch nor OpenVINO."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from langchain_memlora.engines.base import Completion, Engine, Request
from langchain_memlora.engines.chat import ChatRequest, ChunkCallback
from langchain_memlora.engines.counting import TokenCounter
from langchain_memlora.errors import EngineError


class LazyEngine(Engine):
    """Makes another engine when something is to be computed.

    Args:
        make: Makes that engine; called once, on the worker thread.
        base: Name or folder of its base model.
    """

    def __init__(self, make: Callable[[], Engine], base: str) -> None:
        self._make = make
        self.counter = TokenCounter(base)
        self._real: Engine | None = None

    def load(self) -> None:
        self._real = self._make()
        self._real.load()

    def compute(self, requests: Sequence[Request]) -> list[Completion]:
        return self._loaded().compute(requests)

    def write(self, request: ChatRequest, on_chunk: ChunkCallback) -> Completion:
        return self._loaded().write(request, on_chunk)

    def release(self) -> None:
        if self._real:
            self._real.release()

    def _loaded(self) -> Engine:
        if self._real is None:
            msg = "The engine was not loaded. Submit requests instead of calling compute or write."
            raise EngineError(msg)
        return self._real
