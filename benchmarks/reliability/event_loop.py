"""Delays of the event loop while the async verbs write and read memories, after `awarm`.

An idle loop in another process is measured beside it: its delays come from the machine, not from the memory.
Run: `python -m benchmarks.reliability.event_loop` (real model), or with `--scripted`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.reliability.double import open_memory
from langchain_memlora import MemLoRAMemory

TICK = 0.005
LIMIT = 0.05


class Ticker:
    """Measures how late the loop resumes a sleeping task."""

    def __init__(self) -> None:
        self.late: list[float] = []

    async def run(self, seconds: float) -> None:
        """Tick for a number of seconds."""
        end = time.perf_counter() + seconds
        while (before := time.perf_counter()) < end:
            await asyncio.sleep(TICK)
            self.late.append(time.perf_counter() - before - TICK)

    def report(self) -> dict[str, float]:
        """Return the ticks, the number late by more than 50 ms, and the longest delay in milliseconds."""
        return {
            "ticks": len(self.late),
            "over 50 ms": sum(late > LIMIT for late in self.late),
            "latest ms": round(1000 * max(self.late), 1),
        }


async def busy(memory: MemLoRAMemory, seconds: float) -> dict[str, float]:
    """Tick while eight tasks write and read."""
    await memory.awarm()
    ticker = Ticker()
    ticking = asyncio.create_task(ticker.run(seconds))

    async def work(number: int) -> None:
        turn = 0
        while not ticking.done():
            await memory.aadd(f"I keep item {number} {turn}", user_id=f"user{number}", background=number % 2 == 0)
            await memory.asearch("What does user keep?", user_id=f"user{number}")
            await memory.aanswer("What does user keep?", user_id=f"user{number}")
            turn += 1

    await asyncio.gather(ticking, *(work(number) for number in range(8)))
    return ticker.report()


def run(folder: Path, *, seconds: float, scripted: bool) -> dict[str, Any]:
    """Measure both loops at the same time."""
    control = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.reliability.event_loop", "--idle", str(seconds)],
        stdout=subprocess.PIPE,
        text=True,
    )
    with (open_memory if scripted else MemLoRAMemory)(path=folder) as memory:
        found = asyncio.run(busy(memory, seconds))
    return {"memory": found, "idle process": json.loads(control.communicate()[0])}


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--scripted", action="store_true", help="without the model")
    parser.add_argument("--idle", type=float, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.idle:
        ticker = Ticker()
        asyncio.run(ticker.run(options.idle))
        print(json.dumps(ticker.report()))
        return
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(run(Path(folder), seconds=options.seconds, scripted=options.scripted), indent=1))


if __name__ == "__main__":
    main()
