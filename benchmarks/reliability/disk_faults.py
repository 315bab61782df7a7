"""Faults of disks: overwritten pages, and file systems that are small or read-only."""

from __future__ import annotations

import contextlib
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path


class CannotBeInjectedError(Exception):
    """This machine does not allow this fault."""


def overwrite(file: Path, pages: range) -> None:
    """Overwrite pages with random bytes."""
    content = bytearray(file.read_bytes())
    for page in pages:
        if (page + 1) * 4096 <= len(content):
            content[page * 4096 : (page + 1) * 4096] = random.Random(page).randbytes(4096)
    file.write_bytes(content)


@contextlib.contextmanager
def small_disk(folder: Path, *, megabytes: int) -> Iterator[Path]:
    """Mount a small disk in memory."""
    mount("-t", "tmpfs", "-o", f"size={megabytes}m", "none", str(folder))
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def mount(*arguments: str) -> None:
    """Mount, or raise `CannotBeInjectedError`."""
    try:
        subprocess.run(["mount", *arguments], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise CannotBeInjectedError("this user may not mount") from error
