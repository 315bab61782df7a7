"""A damaged ledger file: noticed, copied before anybody tries to mend it, and never written to again by us."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

SIGNS = ("malformed", "not a database", "damaged")
_MARK = ".damaged-"


def set_aside(path: Path) -> Path | None:
    """Copy a database file and its write-ahead log; one copy for each state of the file.

    Returns:
        Where the copy is; `None` if it could not be made.
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


def remove_copies(path: Path) -> int:
    """Remove what `set_aside` kept of a database: an erasure must reach it too."""
    copies = list(path.parent.glob(f"{path.name}{_MARK}*"))
    for copy in copies:
        copy.unlink(missing_ok=True)
    return len(copies)
