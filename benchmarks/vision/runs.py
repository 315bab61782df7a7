"""Where runs and what they measured lie, and which rows judge a training."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path

from langchain_memlora.lab.training.vision_rows import VisionRow

ROOT = Path(__file__).parent.parent.parent
OUT, RECORD = ROOT / "runs" / "vision", ROOT / "docs" / "vision.json"

MACHINE = f"{os.cpu_count()} CPU cores ({platform.machine()}, {platform.system()})"


def held_out(rows: Sequence[VisionRow]) -> tuple[Sequence[VisionRow], Sequence[VisionRow]]:
    """Rows to train on and, of the same drawings, a few to see how it goes; the test is on others."""
    count = min(200, len(rows) // 5)
    return rows[count:], rows[:count]
