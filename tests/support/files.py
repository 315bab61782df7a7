"""A search for bytes in files."""

from pathlib import Path


def files_with(secret: bytes, folder: Path) -> list[str]:
    """Return the files below a folder that hold these bytes."""
    return [str(file) for file in folder.rglob("*") if file.is_file() and secret in file.read_bytes()]
