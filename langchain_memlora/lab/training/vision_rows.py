"""Rows of a vision expert: a picture, a question about it, the answer. In memory, and on disk as JSON lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from langchain_memlora.errors import InvalidImageError
from langchain_memlora.intake import as_picture, read_picture
from langchain_memlora.lab.training.json_lines import read_lines
from langchain_memlora.lab.training.row_files import split_rows

CAPTION = "caption"
"""The kind of a row whose answer describes the whole picture."""


@dataclass(frozen=True, slots=True)
class VisionRow:
    """A picture, a question about it and the answer.

    Attributes:
        reason: For dialects that write reasons.
        kind: Kind of question; scores are reported by kind.
    """

    image: bytes = field(repr=False)
    question: str
    answer: str
    reason: str = ""
    kind: str = ""


class VisionLine(BaseModel):
    """A row on disk; `image` is a path relative to the file's folder."""

    model_config = ConfigDict(extra="ignore")

    image: str
    question: str = Field(min_length=1)
    answer: str = Field(min_length=1)
    reason: str = ""
    kind: str = ""


def load_vision_rows(*paths: Path) -> list[VisionRow]:
    """Read JSON lines of `{"image": path, "question": ..., "answer": ...}`; paths are relative to the file's folder.

    Rows of one file and picture share its bytes.

    Raises:
        InvalidInputError: A line is not a row; the message names file and line.
        InvalidImageError: An image can't be read.
    """
    pictures: dict[Path, bytes] = {}
    rows = []
    for place, line in vision_lines(paths):
        if place not in pictures:
            pictures[place] = picture_at(place)
        rows.append(VisionRow(pictures[place], **line.model_dump(exclude={"image"})))
    return rows


def vision_lines(paths: Iterable[Path]) -> Iterator[tuple[Path, VisionLine]]:
    """Yield the rows of files, each with the path of its picture.

    Raises:
        InvalidInputError: A line is not a row; the message names file and line.
    """
    advice = 'Write {"image": "photo.png", "question": "...", "answer": "..."}.'
    for path in paths:
        yield from ((path.parent / line.image, line) for line in read_lines([path], VisionLine, "row", advice))


def picture_at(path: Path) -> bytes:
    """Return a file's picture as a memory would keep it.

    Raises:
        InvalidImageError: It is missing or can't be decoded; the message names the file.
    """
    try:
        return as_picture(read_picture(path))
    except InvalidImageError as error:
        msg = f"{path}: {error}"
        raise InvalidImageError(msg) from error


def split_vision_rows(rows: Iterable[VisionRow]) -> tuple[Sequence[VisionRow], Sequence[VisionRow]]:
    """Split rows into training and validation rows; all questions about a picture stay on one side."""
    return split_rows([(row, row.image) for row in rows])
