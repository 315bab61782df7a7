"""Parsing of a teacher's replies: remove its thoughts, find the JSON in the text around it.

A cleaned reply has a *target*, the text a student would have to write, and a *value*, its meaning. An unreadable reply has
neither, but the reason.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MOST_WORDS = 20
_THOUGHTS = re.compile(r"<(think|thinking|reasoning)>.*?(</\1>|$)", re.DOTALL | re.IGNORECASE)
_CHANNELS = re.compile(
    r"^\s*(?:<\|channel\|>)?analysis.*?(?:<\|channel\|>final(?:<\|message\|>)?|assistantfinal)", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Cleaning:
    """The filters that are on.

    Attributes:
        thoughts: Remove the teacher's thoughts.
        minimal: Keep only the JSON, or the short answer, and none of the text around it.
        untouched: Remove the NONE rows that teachers write for every old memory that no new fact concerns.
        gold: Where a question has a gold answer, train on it and don't ask the teacher.
    """

    thoughts: bool = True
    minimal: bool = True
    untouched: bool = True
    gold: bool = True


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A cleaned reply; `dropped` is the reason if nothing is left of it."""

    target: str = ""
    value: Any = None
    dropped: str | None = None


class UnreadableError(Exception):
    """A reply is unreadable; the message becomes `Cleaned.dropped`."""


def without_thoughts(text: str, switches: Cleaning) -> str:
    """Return a reply without thoughts, if that filter is on."""
    if not switches.thoughts:
        return text.strip()
    rest = _CHANNELS.sub("", _THOUGHTS.sub("", text)).strip()
    if not rest:
        raise UnreadableError("it has nothing but thoughts" if text.strip() else "empty")
    return rest


def texts_under(row: Mapping[str, Any], *keys: str) -> list[str]:
    """Return the texts under keys, each on one line, without its final full stop."""
    found = [" ".join(str(row.get(key, "")).split()).rstrip(".") for key in keys]
    if lacking := [key for key, text in zip(keys, found, strict=True) if not text]:
        msg = f"no {' and no '.join(lacking)} in {row!r:.80}"
        raise UnreadableError(msg)
    return found


def list_under(text: str, key: str) -> list[Any]:
    """Return the list under a key of the first JSON object in a text that has it."""
    found = object_with(text, key)
    if found is None or not isinstance(found[key], list):
        msg = f"no JSON object with a list {key!r} in {text[:80]!r}"
        raise UnreadableError(msg)
    return found[key]


def object_with(text: str, key: str) -> dict[str, Any] | None:
    """Return the first JSON object in a text that has a key, ignoring the text around it."""
    for start in (match.start() for match in re.finditer(r"\{", text)):
        try:
            found = json.JSONDecoder().raw_decode(text[start:])[0]
        except (ValueError, RecursionError):
            continue
        if key in found:
            return found
    return None


def as_json(value: Any) -> str:
    """Return a value as JSON, with characters outside ASCII as they are."""
    return json.dumps(value, ensure_ascii=False)
