"""Tests of a few process kills of each kind; `make measure WHAT=reliability OPTIONS=--full` runs a thousand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked")]


def kills(*words: str) -> dict[str, object]:
    """Run in a process of its own: this one has opened too much to be forked."""
    command = [sys.executable, "-m", "benchmarks.reliability.kills", *words]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_random_kills_break_no_promise(tmp_path: Path) -> None:
    found = kills("--random", "12", "--seed", "5", "--scratch", str(tmp_path))["random"]
    assert found["kills"] == 12  # type: ignore[index]
    assert found["deeds acknowledged"] > 0  # type: ignore[index]
    assert found["broken"] == []  # type: ignore[index]


def test_kills_at_fault_points(tmp_path: Path) -> None:
    found = kills("--every", "40", "--first", "7", "--scratch", str(tmp_path))["points"]
    assert found["fault points"] > 300  # type: ignore[index]
    assert found["kills"] >= 8  # type: ignore[index]
    assert found["broken"] == []  # type: ignore[index]
