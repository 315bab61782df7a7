"""The file of an export: JSON lines between a header and an end that says how many lines there are and what they hash to.

    {"record": "memlora-export", "version": 1, "user_id": null}
    {"record": "turn", ...}
    {"record": "end", "lines": 1, "sha256": "..."}

A file without its end was cut; one with another hash was changed.
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
VERSION = 1


def write_stream(path: Path, header: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write an export. It appears under its name when it is whole and synced, or not at all.

    Raises:
        InvalidInputError: There is such a file already, or it can't be written.
    """
    if path.exists():
        msg = f"{path} exists and is not written over. Choose another name or remove it."
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
    """The rows of an export with their line numbers. Whether the file is whole is known only at the end of it.

    Raises:
        InvalidInputError: It is not an export, of another version, cut or changed; the message names the line.
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
            if row.get("record") != HEADER or row.get("version") != VERSION:
                msg = (
                    f"{path} begins with {line[:80]!r}: it is no export of version {VERSION}. Pass a file that this version's "
                    "`export` wrote."
                )
                raise InvalidInputError(msg)
        elif row["record"] == END:
            if (row.get("lines"), row.get("sha256")) != (number - 2, digest.hexdigest()):
                msg = f"{path} was changed: its {number - 2} lines are not those its end tells of. Export again."
                raise InvalidInputError(msg)
            return
        else:
            digest.update(line)
            yield number, row
    raise _cut(path, number + 1)


def _parsed(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        row = json.loads(line.decode("utf-8", "surrogatepass"))
    except ValueError as error:
        raise _cut(path, number) from error
    if not isinstance(row, dict) or "record" not in row:
        raise _cut(path, number)
    return row


def _cut(path: Path, number: int) -> InvalidInputError:
    return InvalidInputError(
        f"{path} is cut or damaged at line {number}; nothing of it was imported, and nothing here was changed. "
        "Get the whole file and import it again."
    )


def _line(row: Mapping[str, Any]) -> bytes:
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass") + b"\n"
