"""Rows on disk: JSON lines of `{"prompt": [...], "completion": [...], "group": ...}`.

The group names the source of a row, usually a chat. Rows of one group stay on one side of a split.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from langchain_memlora.bundles.roles import Role
from langchain_memlora.lab.training.held_out import hold_out
from langchain_memlora.lab.training.json_lines import read_lines, write_lines
from langchain_memlora.lab.training.rows import TextRow

Item = TypeVar("Item")
GroupedRow = tuple[TextRow, str]
RoleRows = dict[Role, list[tuple[Mapping[str, Any], str]]]


class _Message(BaseModel):
    role: str
    content: str


class _Line(BaseModel):
    model_config = ConfigDict(extra="ignore")

    prompt: list[_Message] = Field(min_length=1)
    completion: list[_Message] = Field(min_length=1, max_length=1)
    group: str = ""


def load_rows(*paths: Path) -> list[GroupedRow]:
    """Read rows with their groups.

    Raises:
        InvalidInputError: A line is not a row; the message names file and line.
    """
    advice = 'Write {"prompt": [message], "completion": [message]}.'
    lines = read_lines(paths, _Line, "row", advice)
    return [(line.model_dump(include={"prompt", "completion"}), line.group) for line in lines]  # type: ignore[misc]


def split_rows(rows: Sequence[tuple[Item, Hashable]]) -> tuple[list[Item], list[Item]]:
    """Split rows, each with its group, into training and validation rows."""
    return hold_out([row for row, _ in rows], [group for _, group in rows])


def write_rows(path: Path, rows: Iterable[tuple[Mapping[str, Any], str]]) -> None:
    """Write rows with their groups."""
    write_lines(path, [{**row, "group": group} for row, group in rows])
