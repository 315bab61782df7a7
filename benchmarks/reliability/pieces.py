"""Long runs in pieces: each continues where the last one stopped, and the figures add up."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.reliability.concurrency import in_one_process, in_processes
from benchmarks.reliability.one_folder import A_STORE, in_one_folder

# Counts that do not add up over pieces: they are the same for every piece.
_SAME = {"fault points", "threads", "tasks", "processes"}
# Operations on one store: its growth is measured elsewhere.
_CREWS: tuple[tuple[str, int, Callable[..., dict[str, Any]]], ...] = (
    ("one process", 1200, in_one_process),
    ("processes", 600, in_processes),
    ("one folder", A_STORE, in_one_folder),
)


def next_kills(
    scratch: Path, so_far: dict[str, Any], wanted: dict[str, int], every: int, seconds: float
) -> dict[str, Any]:
    """Kill until all wanted kills are done or time is up.

    Args:
        scratch: Folder for the stores.
        so_far: Figures of the earlier pieces.
        wanted: Number of kills of each kind, `random` and `real`; fault points are always done to the end.
        every: Kill at every Nth fault point.
    """
    words = ["--seconds", str(seconds), "--scratch", str(scratch)]
    for kind, count in wanted.items():
        done = so_far.get(kind, {}).get("kills", 0)
        words += [f"--{kind}", str(max(0, count - done)), "--seed", str(1 + done)]
    points = so_far.get("points", {})
    first = 1 + points.get("kills", 0) * every
    if first <= points.get("fault points", first):
        words += ["--every", str(every), "--first", str(first)]
    command = [sys.executable, "-m", "benchmarks.reliability.kills", *words]
    found = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    return added(so_far, found)


def next_operations(scratch: Path, so_far: dict[str, Any], wanted: dict[str, int], seconds: float) -> dict[str, Any]:
    """Do operations at once until all wanted ones are done or time is up.

    Args:
        scratch: Folder for the stores.
        so_far: Figures of the earlier pieces.
        wanted: Number of operations in `one process`, in several `processes`, and in those on `one folder`.
    """
    end = time.monotonic() + seconds
    found = {kind: so_far.get(kind, {}) for kind in wanted}
    for kind, size, crew in _CREWS:
        while (left := wanted[kind] - found[kind].get("operations", 0)) > 0 and time.monotonic() < end:
            piece = crew(min(size, left), wanted[kind] - left, scratch / kind)
            found[kind] = added(found[kind], piece)
            if piece["broken"]:
                return found
            shutil.rmtree(scratch / kind)
    return found


def added(one: Any, other: Any) -> Any:
    """Add two pieces' figures: counts and lists add up, other values are the last piece's."""
    if isinstance(one, dict) and isinstance(other, dict):
        return {
            key: added(one[key], other[key])
            if key in one and key in other and key not in _SAME
            else {**one, **other}[key]
            for key in {**one, **other}
        }
    if isinstance(one, int | list) and isinstance(other, int | list):
        return one + other  # type: ignore[operator]
    return other
