"""Removal of uninitialised memory that Chroma writes to disk, and that can hold text erased long ago.

A new HNSW file is as long as its capacity, and the bytes beyond the vectors in use are never initialised.

Observed with Chroma 1.5: until its first sync such a file holds no vector, only such bytes. Layout: hnswlib's persistent header
(version, offset, capacity, count, bytes a vector, all little-endian).
"""

from __future__ import annotations

import struct
from pathlib import Path

_HEADER = struct.Struct("<i4Q")
_VERSION = 1
_FLOAT = 4


def wipe_unused_bytes(folder: Path) -> bool:
    """Overwrite the unused part of every HNSW file below a folder with zeros; return whether there was such a file.

    No other thread may write to the collection during the call.
    """
    found = False
    for header in folder.rglob("header.bin"):
        version, _, _, count, size = _HEADER.unpack(header.read_bytes()[: _HEADER.size])
        if version == _VERSION:
            found = True
            _wipe(header.with_name("data_level0.bin"), count * size)
            _wipe(header.with_name("length.bin"), count * _FLOAT)
    return found


def _wipe(file: Path, used: int) -> None:
    """Overwrite all bytes after the first `used` ones, in place."""
    unused = file.stat().st_size - used if file.exists() else 0
    if unused > 0:
        with file.open("r+b") as out:
            out.seek(used)
            out.write(bytes(unused))
