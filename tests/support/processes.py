"""Functions that tests run in other processes. The module imports little, so that a process starts fast."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.reliability import double
from langchain_memlora import MemLoRAMemory
from langchain_memlora.errors import ForkedError
from langchain_memlora.testing import ScriptedEngine


def slow_memory(folder: Path) -> MemLoRAMemory:
    """Open a memory whose extraction expert takes its time, so that background work waits."""

    def extract(prompt: str) -> str:
        time.sleep(0.3)
        return double.extract(prompt)

    engine = ScriptedEngine(extraction=extract, memory_update=double.decide, generation=lambda prompt: prompt)
    return double.open_memory(folder, engine=engine)


def errors_after_fork(memory: MemLoRAMemory, folder: Path) -> list[str]:
    """Fork, use the inherited memory in the child and open the folder again there; return the errors."""
    memory.warm()
    calls: tuple[Callable[[], object], ...] = (
        lambda: memory.search("Porto", user_id="ana"),
        memory.engine.warm,
        lambda: double.open_memory(folder),
    )
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        for call in calls:
            try:
                call()
            except ForkedError as error:
                os.write(writing, f"{error}\n".encode())
        memory.close()
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read().splitlines()
    os.waitpid(child, 0)
    return said
