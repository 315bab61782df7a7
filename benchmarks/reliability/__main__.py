"""Break the memory in every way, write what came of it into `runs/reliability.json`, and the tables into the docs.

`python -m benchmarks.reliability` is the short form (under 5 minutes on an idle core); `--full` is the long one: 1,100 kills,
20 with the real model, 100,000 operations at once, 1,000,000 outputs and 10,000 probes, about three hours on two idle cores.
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

from benchmarks.reliability import concurrency, event_loop, faults, fuzz, tenants
from benchmarks.reliability.pieces import next_kills
from benchmarks.reliability.report import FIGURES, ROOT, write_page

RUNS = ROOT / "runs"
PARTS = ("kills", "faults", "concurrency", "tenants", "fuzz", "loop")


@dataclass(frozen=True)
class Length:
    """How much of everything."""

    kills: int
    every_point: int
    real_kills: int
    operations: int
    probes: int
    outputs: int
    loop_seconds: float


SHORT = Length(kills=25, every_point=25, real_kills=0, operations=600, probes=400, outputs=50_000, loop_seconds=10)
FULL = Length(
    kills=620, every_point=1, real_kills=20, operations=100_000, probes=10_000, outputs=1_000_000, loop_seconds=60
)


def run(part: str, length: Length, scratch: Path, so_far: dict[str, Any], seconds: float) -> dict[str, Any]:
    """One part, or a piece of it."""
    match part:
        case "kills":
            return next_kills(so_far, {"random": length.kills, "real": length.real_kills}, length.every_point, seconds)
        case "faults":
            return faults.run(scratch)
        case "concurrency":
            half = length.operations // 2
            return {
                "one process": concurrency.in_one_process(half, 1, scratch / "one"),
                "processes": concurrency.in_processes(half, 1, scratch / "several"),
            }
        case "tenants":
            return tenants.run(length.probes, 1, scratch)
        case "fuzz":
            return fuzz.run(length.outputs, 1)
    return event_loop.run(scratch, seconds=length.loop_seconds, scripted=not length.real_kills)


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true")
    parser.add_argument(
        "--only", choices=PARTS, action="append", help="only this part; the others keep their last figures"
    )
    parser.add_argument("--seconds", type=float, default=math.inf, help="stop killing after so many; see --more")
    parser.add_argument("--more", action="store_true", help="add to the last figures of kills, until all are done")
    parser.add_argument("--table", action="store_true", help="only write the page again from the last figures")
    options = parser.parse_args()
    found = json.loads(FIGURES.read_text()) if FIGURES.exists() and (options.only or options.table) else {}
    for part in () if options.table else options.only or PARTS:
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as scratch:
            so_far = found.get(part, {}) if options.more else {}
            found[part] = run(part, FULL if options.full else SHORT, Path(scratch), so_far, options.seconds)
        took = round(time.perf_counter() - start) + so_far.get("took seconds", 0)
        found[part] |= {"took seconds": took, "machine": _machine()}
        print(f"{part}: {json.dumps(found[part])[:400]}", flush=True)
        RUNS.mkdir(exist_ok=True)
        (RUNS / "reliability.json").write_text(json.dumps(found, indent=1) + "\n")
    FIGURES.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    return write_page(found)


def _machine() -> str:
    return f"{os.cpu_count()} CPU cores ({platform.machine()}), Python {platform.python_version()}"


if __name__ == "__main__":
    sys.exit(main())
