"""A chat's reply as an iterator, for threads and for event loops.

Leaving the iteration (`break`, an error, a cancelled task) stops the generation.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from concurrent.futures import Future
from typing import Any

from langchain_memlora.engines.base import Completion, Engine
from langchain_memlora.engines.chat import ChatRequest


def stream(engine: Engine, request: ChatRequest) -> Generator[str | Completion]:
    """Yield the pieces of a reply as they are generated, and at the end the completion.

    Raises:
        EngineError: The engine failed, was closed or can't chat.
    """
    pieces: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    future, stop = _submit(engine, request, pieces.put)
    try:
        while (piece := pieces.get()) is not None:
            if piece:
                yield piece
        yield future.result()
    finally:
        stop()


async def astream(engine: Engine, request: ChatRequest) -> AsyncGenerator[str | Completion]:
    """Async version of `stream`; the event loop is never blocked."""
    loop = asyncio.get_running_loop()
    pieces: asyncio.Queue[str | None] = asyncio.Queue()

    def put(piece: str | None) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(pieces.put_nowait, piece)

    future, stop = _submit(engine, request, put)
    try:
        while (piece := await pieces.get()) is not None:
            if piece:
                yield piece
        yield future.result()
    finally:
        stop()


def _submit(
    engine: Engine, request: ChatRequest, put: Callable[[str | None], Any]
) -> tuple[Future[Completion], Callable[[], None]]:
    """Queue a chat whose pieces go through `put`, `None` last; also returns the function that stops the chat."""
    stopped = threading.Event()

    def receive(piece: str) -> bool:
        if not stopped.is_set():
            put(piece)
        return not stopped.is_set()

    def stop() -> None:
        stopped.set()
        future.cancel()

    future = engine.submit_chat(request, receive)
    future.add_done_callback(lambda _: None if stopped.is_set() else put(None))
    return future, stop
