"""The held-out rule: every twelfth item, or every twelfth group of items, validates and is not trained on.

Of the shipped labelled messages, whole files are held out: messages of one file are alike.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TypeVar

EVERY = 12
HELD_OUT_FILES = frozenset({"u1", "w12", "w37"})
"""Files of labelled messages that validate."""

Item = TypeVar("Item")


def hold_out(items: Sequence[Item], groups: Sequence[Hashable] | None = None) -> tuple[list[Item], list[Item]]:
    """Split items into those to train on and those to validate with.

    Args:
        groups: The group of each item. Items of one group stay on one side; ignored where there is but one group.

    Example:
        ```python
        from langchain_memlora.lab.training.held_out import hold_out

        training, validation = hold_out(range(24))
        assert validation == [0, 12]
        ```
    """
    places = {group: place for place, group in enumerate(dict.fromkeys(groups or ()))}
    numbers = [places[group] for group in groups or ()] if len(places) > 1 else range(len(items))
    training = [item for item, number in zip(items, numbers, strict=True) if number % EVERY]
    return training, [item for item, number in zip(items, numbers, strict=True) if number % EVERY == 0]
