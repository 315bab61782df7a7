"""Copies of damaged ledger files, made before anything tries to repair them."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

SIGNS = ("malformed", "not a database", "damaged")
_MARK = ".damaged-"


def copy_damaged(path: Path) -> Path | None:
    """Copy a damaged database file and its write-ahead log, once for each state of the file.

    Returns:
        The path of the copy; `None` if it could not be made.
    """
    try:
        changed = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        copy = path.with_name(f"{path.name}{_MARK}{changed:%Y%m%dT%H%M%S}")
        if not copy.exists():
            shutil.copy2(path, copy)
            log = path.with_name(path.name + "-wal")
            if log.exists():
                shutil.copy2(log, copy.with_name(copy.name + "-wal"))
    except OSError:
        return None
    return copy


def remove_damaged_copies(path: Path) -> int:
    """Remove the copies of a database that `copy_damaged` made, since an erasure must include them; return their number."""
    copies = list(path.parent.glob(f"{path.name}{_MARK}*"))
    for copy in copies:
        copy.unlink(missing_ok=True)
    return len(copies)
