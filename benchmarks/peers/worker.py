"""Runs one contestant in a process of its own, so that its memory use is its own, and measures it."""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks.peers import contestants
from benchmarks.peers.contestants import LENGTHS, Contestant
from benchmarks.peers.metered import Metered


def make(name: str, engine: str, threads: int, home: Path) -> Contestant:
    """Return a contestant by name, on an engine by name."""
    lengths = LENGTHS.get(name)
    metered = Metered(contestants.engine(engine, threads), lengths)
    if name.startswith("mem0"):
        from benchmarks.peers import mem0

        return (mem0.ForcedMem0 if lengths else mem0.Mem0)(metered, home)
    kinds = {
        "memlora": contestants.MemLoRA,
        "paper's form": contestants.PaperForm,
        "whole history": contestants.WholeHistory,
    }
    return kinds[name](metered, home)


def work(name: str, engine: str, threads: int, pipe: Connection) -> None:
    """Run the calls that come through the pipe (`add`, `ask` or `known`, with arguments) until `None` comes."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        contestant = make(name, engine, threads, Path(home))
        contestant.warm()
        pipe.send(None)
        while (order := pipe.recv()) is not None:
            verb, *given = order
            contestant.engine.spent.clear()
            pipe.send(_measured(lambda verb=verb, given=given: getattr(contestant, verb)(*given), contestant))
        pipe.send(_megabytes())
        contestant.close()


def _measured(act: Callable[[], Any], contestant: Contestant) -> dict[str, Any]:
    clock, cpu = time.perf_counter(), time.process_time()
    result = act()
    seconds, used = time.perf_counter() - clock, time.process_time() - cpu
    return {"seconds": seconds, "cpu": used, "stages": dict(contestant.engine.spent), "result": result}


def _megabytes() -> float:
    """Return the peak memory of this process."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)
