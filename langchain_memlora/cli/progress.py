"""Progress of long work: bars with the remaining time on a terminal, else a line every few seconds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from langchain_memlora.cli.output import console

EVERY = 10.0
"""Seconds between lines."""


class Report(Protocol):
    """A function that reports the progress of a stage."""

    def __call__(self, stage: str, done: int, total: int) -> None: ...


@contextmanager
def progress_reporter() -> Iterator[Report]:
    """Yield a function to call as work progresses."""
    out = console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=out, disable=not out.is_terminal) as bars:
        tasks: dict[str, TaskID] = {}
        began: dict[str, tuple[float, int]] = {}
        printed = 0.0

        def report(stage: str, done: int, total: int) -> None:
            nonlocal printed
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
                began[stage] = (time.monotonic(), done)
            bars.update(tasks[stage], completed=done)
            if not out.is_terminal and (done >= total or time.monotonic() - printed >= EVERY):
                printed = time.monotonic()
                out.print(
                    f"{stage}: {done} of {total}{_left(printed - began[stage][0], done - began[stage][1], total - done)}"
                )

        yield report


def _left(seconds: float, done: int, left: int) -> str:
    """Return the remaining time at the pace so far; nothing before the first progress."""
    return f", about {seconds / done * left / 60:.0f} min left" if done > 0 and left > 0 else ""
