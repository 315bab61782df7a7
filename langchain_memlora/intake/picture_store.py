"""Stores pictures: a folder of files named by the hash of their bytes, so that equal pictures are stored once."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import time
from collections.abc import Collection
from pathlib import Path

from langchain_memlora.errors import InvalidImageError, LedgerError

PREFIX = "sha256:"
DRAFT_SECONDS = 60


class ImageStore:
    """A folder of pictures. The ledger's turns refer to those that are still needed.

    Args:
        folder: Created when the first picture is stored.

    Example:
        ```python
        from pathlib import Path
        from langchain_memlora.intake import ImageStore

        store = ImageStore(Path("/tmp/memlora-example/images"))
        assert store.get(store.put(b"pixels")) == b"pixels"
        assert store.sweep(keep=()) == 1
        ```
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, data: bytes) -> str:
        """Store a picture on disk, and return its reference: `sha256:` and the hash.

        Raises:
            LedgerError: The folder can't be written.
        """
        name = hashlib.sha256(data).hexdigest()
        target = self.folder / name
        try:
            if not target.exists():
                self.folder.mkdir(parents=True, exist_ok=True)
                with tempfile.NamedTemporaryFile(dir=self.folder, prefix=".", delete=False) as draft:
                    draft.write(data)
                    draft.flush()
                    os.fsync(draft.fileno())
                os.replace(draft.name, target)
        except OSError as error:
            msg = f"A picture can't be stored in {self.folder} ({error}). Free some space, or make the folder writable."
            raise LedgerError(msg) from error
        return PREFIX + name

    def get(self, reference: str) -> bytes:
        """Return the bytes of a picture.

        Raises:
            InvalidImageError: It is missing, or its bytes have changed.
        """
        name = reference.removeprefix(PREFIX)
        try:
            data = (self.folder / name).read_bytes() if name.isalnum() else b""
        except OSError:
            data = b""
        if hashlib.sha256(data).hexdigest() != name:
            msg = f"The picture {reference!r:.80} is not in {self.folder}, or was altered. Add it again."
            raise InvalidImageError(msg)
        return data

    def sweep(self, keep: Collection[str]) -> int:
        """Delete all pictures except those in `keep`, and return the number deleted."""
        if not self.folder.is_dir():
            return 0
        unwanted = [file for file in self.folder.iterdir() if PREFIX + file.name not in keep and not _is_fresh(file)]
        for file in unwanted:
            file.unlink(missing_ok=True)
        return len(unwanted)


def _is_fresh(file: Path) -> bool:
    """Return True for a draft that another writer may still be writing."""
    with contextlib.suppress(OSError):
        return file.name.startswith(".") and time.time() - file.stat().st_mtime < DRAFT_SECONDS
    return False
