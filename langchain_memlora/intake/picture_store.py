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
            if target.exists():
                os.utime(target)  # so that a sweep in another process sees that it is wanted again
            else:
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

    def remove(self, references: Collection[str]) -> int:
        """Delete some pictures, and return the number deleted; unknown ones are ignored."""
        files = [self.folder / reference.removeprefix(PREFIX) for reference in references]
        found = [file for file in files if file.is_file()]
        for file in found:
            file.unlink(missing_ok=True)
        return len(found)

    def sweep(self, keep: Collection[str], *, older_than: float = 0) -> int:
        """Delete all pictures except those in `keep`, and return the number deleted.

        Args:
            older_than: Also keep those stored in the last so many seconds.
        """
        if not self.folder.is_dir():
            return 0
        others = [file for file in self.folder.iterdir() if PREFIX + file.name not in keep]
        unwanted = [
            file
            for file in others
            if not _is_younger(file, max(older_than, DRAFT_SECONDS if file.name.startswith(".") else 0))
        ]
        for file in unwanted:
            file.unlink(missing_ok=True)
        return len(unwanted)


def _is_younger(file: Path, seconds: float) -> bool:
    with contextlib.suppress(OSError):
        return time.time() - file.stat().st_mtime < seconds
    return False
