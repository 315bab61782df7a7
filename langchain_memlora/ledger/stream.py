"""The export file: JSON lines between a header and a footer with the number of lines and their checksum.

    {"record": "memlora-export", "version": 4, "user_id": null}
    {"record": "turn", ...}
    {"record": "end", "lines": 1, "sha256": "..."}

A file without its footer is truncated; one with another checksum was changed. Version 1 had no `form` and `said`
of texts, version 2 no `unread` of turns, version 3 no `utc_offset` of turns and memories and no record of what is withheld.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from langchain_memlora.errors import InvalidInputError

HEADER = "memlora-export"
END = "end"
VERSION = 4
_READABLE = range(1, VERSION + 1)


def write_stream(path: Path, header: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write an export, which appears under its name only when complete and synced.

    Raises:
        InvalidInputError: The file exists or can't be written.
    """
    if path.exists():
        msg = f"{path} exists and is not overwritten. Choose another name or remove it."
        raise InvalidInputError(msg)
    part = path.with_name(path.name + ".part")
    lines, digest = 0, hashlib.sha256()
    try:
        with part.open("wb") as out:
            out.write(_line({"record": HEADER, "version": VERSION, **header}))
            for row in rows:
                line = _line(row)
                digest.update(line)
                lines += 1
                out.write(line)
            out.write(_line({"record": END, "lines": lines, "sha256": digest.hexdigest()}))
            out.flush()
            os.fsync(out.fileno())
        part.replace(path)
    except OSError as error:
        msg = f"{path} can't be written ({error}). Choose another place or free some space."
        raise InvalidInputError(msg) from error
    finally:
        part.unlink(missing_ok=True)


def read_stream(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the rows of an export with their line numbers. Only the footer shows that the file is complete.

    Raises:
        InvalidInputError: The file is not an export, has another version, or is truncated or changed; the message names the
            line.
    """
    try:
        with path.open("rb") as file:
            yield from _checked(path, file)
    except OSError as error:
        msg = f"{path} can't be read ({error}). Pass a file that `export` wrote."
        raise InvalidInputError(msg) from error


def _checked(path: Path, file: Iterable[bytes]) -> Iterator[tuple[int, dict[str, Any]]]:
    digest, number = hashlib.sha256(), 0
    for number, line in enumerate(file, 1):
        row = _parsed(path, number, line)
        if number == 1:
            if row.get("record") != HEADER or row.get("version") not in _READABLE:
                msg = (
                    f"{path} begins with {line[:80]!r}, so it is not an export of version 1 to {VERSION}. Pass a file that "
                    "`export` of this version or an older one wrote."
                )
                raise InvalidInputError(msg)
        elif row["record"] == END:
            if (row.get("lines"), row.get("sha256")) != (number - 2, digest.hexdigest()):
                msg = (
                    f"{path} was changed: its {number - 2} lines do not match the checksum in its footer. Export again."
                )
                raise InvalidInputError(msg)
            return
        else:
            digest.update(line)
            yield number, row
    raise _truncated(path, number + 1)


def _parsed(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        row = json.loads(line.decode("utf-8", "surrogatepass"))
    except ValueError as error:
        raise _truncated(path, number) from error
    if not isinstance(row, dict) or "record" not in row:
        raise _truncated(path, number)
    return row


def _truncated(path: Path, number: int) -> InvalidInputError:
    return InvalidInputError(
        f"{path} is truncated or damaged at line {number}; nothing was imported or changed. Get the complete file and "
        "import it again."
    )


def _line(row: Mapping[str, Any]) -> bytes:
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass") + b"\n"
