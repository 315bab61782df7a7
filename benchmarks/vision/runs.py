"""Folders of the runs and their record, and the rows that validate a training."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence

from benchmarks.record import RECORDED, ROOT
from langchain_memlora.lab.training.vision_rows import VisionRow

OUT, RECORD = ROOT / "runs" / "vision", RECORDED / "vision.json"

MACHINE = f"{os.cpu_count()} CPU cores ({platform.machine()}, {platform.system()})"


def held_out(rows: Sequence[VisionRow]) -> tuple[Sequence[VisionRow], Sequence[VisionRow]]:
    """Split off a few rows of the same drawings for validation; the test is on others."""
    count = min(200, len(rows) // 5)
    return rows[count:], rows[:count]
