"""Reads samples from a JSON file, chosen by their place in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from langchain_memlora.errors import InvalidInputError
from langchain_memlora.lab.evaluation.conversations import Conversation


def read_samples(
    path: str | Path,
    numbers: Sequence[int] | None,
    convert: Callable[[Any], Conversation],
    what: str,
) -> list[Conversation]:
    """Read a JSON list of samples.

    Args:
        numbers: Places in the list, counted from 1; all of them if not given.
        convert: Function from a sample to a conversation.
        what: The format, for the error.

    Raises:
        InvalidInputError: The file is missing, not of this format, or has no such place.
    """
    try:
        samples = json.loads(Path(path).read_bytes())
        places = numbers or range(1, len(samples) + 1)
        if min(places) < 1:
            raise IndexError(min(places))
        return [convert(samples[place - 1]) for place in places]
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        msg = f"{path} can't be read as {what} ({error!r}). Pass the published file, and places that it has, from 1."
        raise InvalidInputError(msg) from error
