"""Progress of long work: bars with the time that is left, or a line now and then where nobody watches."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from langchain_memlora.cli.show import console

EVERY = 10.0
"""Seconds between lines."""


@contextmanager
def watched() -> Iterator[Callable[[str, int, int], None]]:
    """Give a function that is told `(stage, done, total)`."""
    out = console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=out, disable=not out.is_terminal) as bars:
        tasks: dict[str, TaskID] = {}
        began: dict[str, tuple[float, int]] = {}
        told = 0.0

        def watch(stage: str, done: int, total: int) -> None:
            nonlocal told
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
                began[stage] = (time.monotonic(), done)
            bars.update(tasks[stage], completed=done)
            if not out.is_terminal and (done >= total or time.monotonic() - told >= EVERY):
                told = time.monotonic()
                out.print(
                    f"{stage}: {done} of {total}{_left(told - began[stage][0], done - began[stage][1], total - done)}"
                )

        yield watch


def _left(seconds: float, done: int, left: int) -> str:
    """The time that is left at the pace so far; nothing until there is a pace."""
    return f", about {seconds / done * left / 60:.0f} min left" if done > 0 and left > 0 else ""
