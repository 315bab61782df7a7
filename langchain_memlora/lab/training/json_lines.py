"""Reads JSON lines, each validated by pydantic, and writes them in one step."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from langchain_memlora.errors import InvalidInputError

Item = TypeVar("Item")


def read_lines(paths: Iterable[Path], model: type[Item], what: str, advice: str) -> list[Item]:
    """Read the lines that are not blank.

    Args:
        model: A pydantic model or dataclass.
        what: The kind of item, for the error.
        advice: The remedy, for the error.

    Raises:
        InvalidInputError: A line is not such an item, or a file can't be read; the message names file and line.
    """
    adapter = TypeAdapter(model)
    items = []
    for path in paths:
        try:
            content = path.read_bytes()
        except OSError as error:
            msg = f"{path} can't be read ({error.strerror}). Pass a file of JSON lines."
            raise InvalidInputError(msg) from error
        for number, line in enumerate(content.split(b"\n"), 1):
            if line.strip():
                try:
                    items.append(adapter.validate_python(json.loads(line)))
                except (ValueError, ValidationError) as error:
                    msg = f"{path}:{number} is not a {what}: {error}. {advice}"
                    raise InvalidInputError(msg) from error
    return items


def shipped(folder: str) -> list[Path]:
    """Return the shipped files in a folder of `training/data/`.

    Raises:
        InvalidInputError: There are none: a wheel leaves them out.
    """
    data = Path(str(resources.files("langchain_memlora"))) / "lab" / "training" / "data" / folder
    if files := sorted(data.glob("*.jsonl")):
        return files
    msg = f"{data} has no training data: wheels are built without it. Train from a clone, or pass files of your own."
    raise InvalidInputError(msg)


def write_lines(path: Path, objects: Iterable[Any]) -> None:
    """Write JSON lines in one step: the file is complete or unchanged."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    draft.write_text("".join(json.dumps(item, ensure_ascii=False) + "\n" for item in objects), encoding="utf-8")
    os.replace(draft, path)
