"""Pairs of a known memory and a new fact with their operation: more data for the memory_update expert, beside the stories.

Stories state facts once, so they have few of the pairs that are hardest to tell apart: the same thing in other words, a change,
and two things that are both true. One JSON object a line; the shipped ones are in `data/pairs/`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from langchain_memlora.bundles.bundle import Bundle
from langchain_memlora.lab.training.held_out import hold_out
from langchain_memlora.lab.training.json_lines import read_lines, shipped
from langchain_memlora.lab.training.rows import TextRow, update_row
from langchain_memlora.types import Event


class Pair(BaseModel):
    """A memory, a new fact of the same person, and the operation it calls for."""

    model_config = ConfigDict(extra="forbid")

    old: str = Field(min_length=1)
    new: str = Field(min_length=1)
    event: Literal["ADD", "NONE", "UPDATE", "DELETE"]


def load_pairs(*paths: Path) -> list[Pair]:
    """Load pairs from JSONL files; without arguments, the shipped ones.

    Raises:
        InvalidInputError: A line is not a pair; the message names file and line.

    Example:
        ```python
        from langchain_memlora.lab.training.pairs import load_pairs

        print(len(load_pairs()), "pairs")
        ```
    """
    advice = 'Write {"old": ..., "new": ..., "event": "NONE"}.'
    return read_lines(paths or shipped("pairs"), Pair, "pair", advice)


def pair_rows(bundle: Bundle, pairs: Iterable[Pair]) -> list[TextRow]:
    """Return a row for each pair."""
    return [update_row(bundle, pair.old, pair.new, Event(pair.event)) for pair in pairs]


def split_pairs(pairs: Sequence[Pair]) -> tuple[list[Pair], list[Pair]]:
    """Split pairs into training and validation pairs."""
    return hold_out(pairs)
