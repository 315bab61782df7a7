"""A chat's reply as an iterator, for code that waits in a thread and for code that waits on an event loop.

Whoever stops listening (`break`, an error, a cancelled task) stops the generation.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from typing import Any

from langchain_memlora.engines.base import Completion, Engine
from langchain_memlora.engines.chat import ChatRequest


def stream(engine: Engine, request: ChatRequest) -> Iterator[str | Completion]:
    """The pieces of a reply as they are written, and at the end the completion.

    Raises:
        EngineError: The engine failed, was closed or can't chat.
    """
    heard: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    future, hush = _submit(engine, request, heard.put)
    try:
        while (piece := heard.get()) is not None:
            if piece:
                yield piece
        yield future.result()
    finally:
        hush()


async def astream(engine: Engine, request: ChatRequest) -> AsyncIterator[str | Completion]:
    """Async twin of `stream`; the event loop is never blocked."""
    loop = asyncio.get_running_loop()
    heard: asyncio.Queue[str | None] = asyncio.Queue()

    def put(piece: str | None) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(heard.put_nowait, piece)

    future, hush = _submit(engine, request, put)
    try:
        while (piece := await heard.get()) is not None:
            if piece:
                yield piece
        yield future.result()
    finally:
        hush()


def _submit(
    engine: Engine, request: ChatRequest, put: Callable[[str | None], Any]
) -> tuple[Future[Completion], Callable[[], None]]:
    """Queue a chat whose pieces go through `put`, `None` last; the function it gives stops the chat."""
    hushed = threading.Event()

    def say(piece: str) -> bool:
        if not hushed.is_set():
            put(piece)
        return not hushed.is_set()

    def hush() -> None:
        hushed.set()
        future.cancel()

    future = engine.submit_chat(request, say)
    future.add_done_callback(lambda _: None if hushed.is_set() else put(None))
    return future, hush
