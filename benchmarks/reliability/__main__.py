"""Run all reliability tests, record the counts and write the tables of `docs/reliability.md`.

`python -m benchmarks.reliability` is the short form (under 5 minutes on an idle core); `--full` is the long one, of the sizes
in `FULL` and with the hostile texts: an hour and a half on two idle cores.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.record import read_figures, write_figures
from benchmarks.reliability import event_loop, faults, fuzz, guided, hostile, soak, tenants
from benchmarks.reliability.pieces import next_kills, next_operations
from benchmarks.reliability.report import FIGURES, write_page

# The kernel keeps the writes of a killed process, so a disk in memory shows as much as a real one, in a third of the time.
IN_MEMORY = Path("/dev/shm")
PARTS = ("kills", "faults", "concurrency", "soak", "tenants", "fuzz", "loop", "hostile")
QUICK = tuple(part for part in PARTS if part != "hostile")  # that needs the real model


@dataclass(frozen=True)
class Length:
    """The size of each part."""

    kills: dict[str, int]
    every_point: int
    operations: dict[str, int]
    probes: int
    outputs: int
    guided_seconds: int
    loop_seconds: float
    soak: int
    real: bool


SHORT = Length(
    {"random": 25}, 25, {"one process": 300, "processes": 300, "one folder": 400}, 400, 50_000, 5, 10, 400, real=False
)
FULL = Length(
    kills={"random": 620, "real": 20},
    every_point=1,
    operations={"one process": 76_000, "processes": 24_000, "one folder": 100_000},
    probes=10_000,
    outputs=1_000_000,
    guided_seconds=300,
    loop_seconds=60,
    soak=10_000,
    real=True,
)


def run(part: str, length: Length, scratch: Path, so_far: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Run one part, or a piece of it."""
    match part:
        case "kills":
            return next_kills(scratch, so_far, length.kills, length.every_point, seconds)
        case "faults":
            return faults.run(scratch)
        case "concurrency":
            return next_operations(scratch, so_far, length.operations, seconds)
        case "tenants":
            return tenants.run(length.probes, 1, scratch)
        case "fuzz":
            return fuzz.run(length.outputs, 1) | {"guided": guided.run(length.guided_seconds)}
        case "soak":
            return soak.run(scratch, length.soak)
        case "hostile":
            return hostile.run(scratch)
    return event_loop.run(scratch, seconds=length.loop_seconds, scripted=not length.real)


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true")
    parser.add_argument(
        "--only", choices=PARTS, action="append", help="only this part; the others keep their last figures"
    )
    parser.add_argument(
        "--seconds", type=float, default=math.inf, help="start no kill or operation after this many seconds; see --more"
    )
    parser.add_argument(
        "--more", action="store_true", help="add to the last figures of kills and operations, until all are done"
    )
    parser.add_argument("--table", action="store_true", help="only write the page again from the last figures")
    options = parser.parse_args()
    for part in () if options.table else options.only or (PARTS if options.full else QUICK):
        start = time.perf_counter()
        so_far = read_figures(FIGURES).get(part, {}) if options.more else {}
        with tempfile.TemporaryDirectory(dir=IN_MEMORY if IN_MEMORY.is_dir() else None) as scratch:
            found = run(part, FULL if options.full else SHORT, Path(scratch), so_far, options.seconds)
        took = round(time.perf_counter() - start) + so_far.get("took seconds", 0)
        found |= {"took seconds": took, "machine": _machine()}
        print(f"{part}: {json.dumps(found)[:400]}", flush=True)
        # Read again: long parts may run side by side.
        write_figures(FIGURES, read_figures(FIGURES) | {part: found})
    return write_page(read_figures(FIGURES))


def _machine() -> str:
    return f"{os.cpu_count()} CPU cores ({platform.machine()}), Python {platform.python_version()}"


if __name__ == "__main__":
    sys.exit(main())
