"""The stored form of metadata: JSON, the same at writing and in filters."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from numbers import Integral, Real
from typing import Any


def as_stored(value: Any) -> Any:
    """Convert a value to the JSON value that stands for it.

    Numbers, texts, booleans, `None`, lists and dicts stay what they are; tuples and sets become lists, dates and times
    ISO 8601, enumerations their values, and everything else, such as a UUID, its text.

    Raises:
        ValueError: A number is not finite.
        TypeError: A key of a dict is no JSON value.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Enum):
        return as_stored(value.value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real | Decimal):
        return _finite(float(value))
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {_key(key): as_stored(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [as_stored(part) for part in value]
    if isinstance(value, set | frozenset):
        return sorted(map(as_stored, value), key=json.dumps)
    return str.__str__(value) if isinstance(value, str) else str(value)


def _finite(number: float) -> float:
    if not math.isfinite(number):
        msg = f"{number} is not a finite number"
        raise ValueError(msg)
    return number


def _key(key: Any) -> str:
    """Return a key as JSON spells it."""
    if isinstance(key, str):
        return str.__str__(key)
    if key is None or isinstance(key, bool | int | float):
        return json.dumps(key)
    msg = f"keys must be strings, not {type(key).__name__}"
    raise TypeError(msg)
