"""The model cache: folders are either complete or absent, even if two processes fill them at once."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from platformdirs import user_cache_path

from langchain_memlora.errors import ModelError, ModelMismatchError


def cache_dir() -> Path:
    """Return the folder of fetched models.

    `MEMLORA_CACHE` if set, else the platform's user cache folder (`~/.cache/langchain-memlora` on Linux).

    Example:
        ```python
        from langchain_memlora.models import cache_dir

        print(cache_dir())
        ```
    """
    chosen = os.environ.get("MEMLORA_CACHE")
    return Path(chosen).expanduser() if chosen else user_cache_path("langchain-memlora")


def sha256_of(path: Path) -> str:
    """Return the hex SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verify(path: Path, expected: str) -> None:
    """Check a file against its pin.

    Raises:
        ModelMismatchError: The file has another hash. It is not deleted.
    """
    actual = sha256_of(path)
    if actual != expected:
        msg = (
            f"{path} is not the pinned file: expected sha256 {expected}, found {actual}. "
            "It is probably truncated or altered; delete it yourself and run `memlora models pull`."
        )
        raise ModelMismatchError(msg)


@contextlib.contextmanager
def filling(target: Path, whole: str) -> Iterator[Path]:
    """Yield an empty folder beside `target` to fill; rename it into place when the block succeeds.

    If another process created `target` meanwhile, its copy is kept and ours is deleted.

    Args:
        whole: A file that every complete `target` has; a folder without it is replaced.

    Raises:
        ModelError: The cache can't be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    except OSError as error:
        msg = f"The model cache {target.parent} can't be written ({error}). Set MEMLORA_CACHE to a writable folder."
        raise ModelError(msg) from error
    try:
        yield draft
        draft.chmod(0o755)
        _rename_into(draft, target, whole)
    except OSError as error:
        msg = f"Filling {target} failed ({error}). Free some space or set MEMLORA_CACHE to another folder."
        raise ModelError(msg) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _rename_into(draft: Path, target: Path, whole: str) -> None:
    if target.is_dir() and not (target / whole).exists():
        remains = draft.with_name(f"{draft.name}-remains")
        with contextlib.suppress(FileNotFoundError):  # another process was first
            target.rename(remains)
        shutil.rmtree(remains, ignore_errors=True)
    try:
        draft.rename(target)
    except OSError:
        if not (target / whole).exists():
            raise
