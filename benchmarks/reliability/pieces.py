"""Long runs in pieces: each goes on where the last one stopped, and the figures add up."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

_SAME = {"fault points"}  # how many there are, whatever the piece


def next_kills(so_far: dict[str, Any], wanted: dict[str, int], every: int, seconds: float) -> dict[str, Any]:
    """Kill until all wanted kills are done or time is up.

    Args:
        so_far: What earlier pieces gave.
        wanted: How many kills of each kind: `random`, `real`; those at fault points go on until there are no more.
        every: Kill at every so many fault points.
    """
    words = ["--seconds", str(seconds)]
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


def added(one: Any, other: Any) -> Any:
    """Two pieces' figures as one: counts and lists add up, other values are the last piece's."""
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
