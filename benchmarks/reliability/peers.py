"""Processes that use one folder at once, and do what the process that started them asks for.

They are forked from a server process that has imported everything and opened nothing, so each starts in a fraction of a second.
"""

from __future__ import annotations

import functools
import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.reliability.double import open_memory
from langchain_memlora import MemLoRAMemory
from langchain_memlora.indexes.base import Kind
from langchain_memlora.indexes.shared import SharedIndex

IMPORTED = ("benchmarks.reliability.peers", "chromadb.api.rust", "langchain_chroma", "langchain_memlora.indexes.chroma")
ALL = 200  # more messages than a user has here
Open = Callable[[Path], MemLoRAMemory]
_server = multiprocessing.get_context("forkserver")
_server.set_forkserver_preload([*IMPORTED])


class Peer:
    """A process with a memory open on a folder. Calls are answered in order, results and errors are returned or raised here.

    Args:
        open_memory: A function of a module that opens the memory.

    Attributes:
        owner: The process owned the embedded store at its last answer.
    """

    def __init__(self, folder: Path, open_memory: Open = open_memory) -> None:
        self.pipe, theirs = _server.Pipe()
        self.owner = False
        self._process = _server.Process(target=_serve, args=(theirs, folder, open_memory), daemon=True)
        self._process.start()
        theirs.close()

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        def call(*given: Any, **options: Any) -> Any:
            self.begin(verb, *given, **options)
            return self.result()

        return call

    def begin(self, verb: str, *given: Any, **options: Any) -> None:
        """Start a call of a method of the memory; `result` waits for it."""
        self.pipe.send((verb, given, options))

    def result(self) -> Any:
        """Wait for the call that was begun, and return what it returned.

        Raises:
            EOFError: The process ended.
        """
        done, value, self.owner = self.pipe.recv()
        if done:
            return value
        raise value

    def kill(self) -> None:
        """End the process as a power cut would."""
        self._process.kill()
        self._process.join()

    def close(self) -> None:
        """Close the memory and end the process."""
        if self._process.is_alive():
            self.pipe.send(None)
            self._process.join()

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def owns_store(memory: MemLoRAMemory) -> bool:
    """Return whether a memory owns the embedded store of its folder."""
    index = memory.services.index()
    return isinstance(index, SharedIndex) and index.is_owner


def sees(memory: MemLoRAMemory, user: str, text: str, message_id: str) -> list[str]:
    """Return the ways in which a memory does not find a message: `search`, and the vectors alone."""
    found = [turn.message_id for hit in memory.search(text, user_id=user, k=ALL) for turn in hit.turns]
    near = memory.services.index().nearest_each(text, user, [Kind.TURN], ALL)[0]
    by_vector = [turn.message_id for turn in memory.turns(near, user_id=user)]
    return [way for way, ids in (("search", found), ("vectors", by_vector)) if message_id not in ids]


def _serve(pipe: Any, folder: Path, open_memory: Open) -> None:
    verbs = {"run": _run, "sees": sees}
    with open_memory(folder) as memory:
        while call := pipe.recv():
            verb, given, options = call
            try:
                done, value = True, verbs.get(verb, functools.partial(_method, verb))(memory, *given, **options)
            except Exception as error:
                done, value = False, error
            pipe.send((done, value, owns_store(memory)))


def _run(memory: MemLoRAMemory, function: Callable[..., Any], *given: Any) -> Any:
    return function(memory, *given)


def _method(name: str, memory: MemLoRAMemory, *given: Any, **options: Any) -> Any:
    return getattr(memory, name)(*given, **options)
