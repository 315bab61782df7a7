"""Growth: how times depend on the number of memories, with the same pairs and questions for memories of 1, 4 and 16 histories.

    python -m benchmarks.peers.growth                       # or, with the comparison after it: make measure WHAT=speed
    python -m benchmarks.peers.growth --size 50 --pairs 4   # a quick run

The largest holds 10,000 memories of one user, each with its message and the message with the one before it: 30,000 vectors.
All share one engine, so they differ in size only.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count, cycle, islice
from pathlib import Path
from typing import Any

from benchmarks.peers.contestants import FAST, USER, engine
from benchmarks.peers.material import LOCOMO, load
from benchmarks.peers.report import keep, machine, write_page
from langchain_memlora import MemLoRAMemory
from langchain_memlora.lab.evaluation.datasets.locomo import TRAIN, load_locomo

TIMES = (1, 4, 16)
BATCH = 200
Clock = dict[int, list[float]]


def measure(data: Path, fast: str, *, size: int, pairs: int, questions: int, threads: int) -> dict[str, Any]:
    """Return seconds of each verb by the number of memories, as medians over pairs or questions.

    Args:
        data: `locomo10.json`.
        fast: Name of the engine.
        size: Memories in the smallest.
    """
    material = load(data, pairs, questions)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        shared = engine(fast, threads)
        stack.callback(shared.close)
        memories = {}
        for times in TIMES:
            memory = stack.enter_context(MemLoRAMemory(path=folder / str(times), engine=shared))
            fill(memory, data, times * size)
            memory.warm()
            memories[times * size] = memory
        add = clocked(memories, material.pairs, lambda m, pair: pair.add_to(m, USER))
        search = clocked(memories, [q.text for q in material.questions], lambda m, text: m.search(text, user_id=USER))
        answer = clocked(memories, [q.text for q in material.questions], lambda m, text: m.answer(text, user_id=USER))
    return {
        "pairs": len(material.pairs),
        "questions": len(material.questions),
        "seconds": {verb: _medians(clock) for verb, clock in (("add", add), ("search", search), ("answer", answer))},
        "slope": slope(add),
    }


def fill(memory: MemLoRAMemory, data: Path, size: int) -> None:
    """Store `size` messages of other conversations, verbatim, as memories."""
    said = history(data)
    for start in range(0, size, BATCH):
        memory.add(list(islice(said, min(BATCH, size - start))), user_id=USER, infer=False)


def history(data: Path) -> Iterator[dict[str, str]]:
    """Yield messages endlessly; repeated ones get a number."""
    turns = [turn for talk in load_locomo(data, TRAIN) for session in talk.sessions for turn in session]
    for number, turn in zip(count(), cycle(turns), strict=False):
        again = f" ({number // len(turns) + 1})" if number >= len(turns) else ""
        yield {"role": "user", "name": str(turn.speaker), "content": turn.text + again}


def clocked(memories: dict[int, MemLoRAMemory], given: Any, act: Callable[[MemLoRAMemory, Any], Any]) -> Clock:
    """Time an action on all memories in turn, for one argument after the other."""
    seconds: Clock = {size: [] for size in memories}
    for what in given:
        for size, memory in memories.items():
            start = time.perf_counter()
            act(memory, what)
            seconds[size].append(time.perf_counter() - start)
    return seconds


def slope(clock: Clock) -> float:
    """Return the growth of the median for each doubling, as a share of the smallest's median."""
    small, large = (statistics.median(clock[size]) for size in (min(clock), max(clock)))
    return (large / small - 1) / math.log2(max(clock) / min(clock))


def _medians(clock: Clock) -> dict[str, float]:
    return {str(size): statistics.median(seconds) for size, seconds in clock.items()}


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=625)
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--questions", type=int, default=20)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--data", type=Path, default=LOCOMO)
    options = parser.parse_args()
    found = measure(
        options.data,
        FAST,
        size=options.size,
        pairs=options.pairs,
        questions=options.questions,
        threads=options.threads,
    )
    print(json.dumps(found, indent=1))
    keep({"growth": found, "machine": machine(options.threads)})
    write_page()


if __name__ == "__main__":
    main()
