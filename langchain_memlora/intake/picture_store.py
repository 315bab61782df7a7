"""Where pictures are kept: a folder of files named by the hash of their bytes, so that the same picture is kept once."""

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
    """A folder of pictures. Which of them are still wanted, the ledger's turns know.

    Args:
        folder: Made when the first picture is kept.

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
        """Keep a picture; on disk when this returns. Gives its reference, `sha256:` and the hash.

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
            msg = f"A picture can't be kept in {self.folder} ({error}). Free some space, or let the folder be written."
            raise LedgerError(msg) from error
        return PREFIX + name

    def get(self, reference: str) -> bytes:
        """The bytes of a picture.

        Raises:
            InvalidImageError: It is not here, or its bytes are others than those that were kept.
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
        """Delete all pictures but those that are referred to; returns how many went."""
        if not self.folder.is_dir():
            return 0
        unwanted = [file for file in self.folder.iterdir() if PREFIX + file.name not in keep and not _is_fresh(file)]
        for file in unwanted:
            file.unlink(missing_ok=True)
        return len(unwanted)


def _is_fresh(file: Path) -> bool:
    """Whether somebody may still be writing it."""
    with contextlib.suppress(OSError):
        return file.name.startswith(".") and time.time() - file.stat().st_mtime < DRAFT_SECONDS
    return False
