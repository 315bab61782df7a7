"""REALTALK (arXiv 2502.13270): real chats of two people over three weeks, read from the user's own download.

It is published as one JSON file a conversation; a path may name one of them or their folder. Categories: 1 facts, 2 dates,
3 inference.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from langchain_memlora.errors import InvalidInputError
from langchain_memlora.lab.evaluation.conversations import ABSTAIN, AnnotatedQuestion, Conversation
from langchain_memlora.types import Scope, Turn


def load_realtalk(path: str | Path, numbers: Sequence[int] | None = None) -> list[Conversation]:
    """Load conversations by their place in the folder (sorted by file name), counted from 1.

    Raises:
        InvalidInputError: There is no file, or one is not REALTALK's.
    """
    given = Path(path)
    files = sorted(given.glob("*.json")) if given.is_dir() else [given]
    places = numbers or range(1, len(files) + 1)
    if not files or not all(1 <= place <= len(files) for place in places):
        msg = f"{path} has {len(files)} JSON file(s), and places {list(places)} were asked for. Pass REALTALK's data folder."
        raise InvalidInputError(msg)
    return [_read(files[place - 1]) for place in places]


def _read(file: Path) -> Conversation:
    try:
        talk = json.loads(file.read_bytes())
        questions = tuple(_question(file.stem, number, entry) for number, entry in enumerate(talk["qa"]))
        return Conversation(file.stem, tuple(_turns(file.stem, talk)), questions)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        msg = f"{file} can't be read as REALTALK ({error!r}). Pass a published conversation, with session_1 and qa."
        raise InvalidInputError(msg) from error


def _turns(name: str, talk: Mapping[str, Any]) -> Iterator[Turn]:
    """Yield the turns that have text; a message may be only a picture."""
    scope, number = Scope(name), 1
    while messages := talk.get(f"session_{number}"):
        # All turns of a session get its start time: `add` takes one date for all of its messages.
        said_at = _moment(talk.get(f"session_{number}_date_time") or messages[0]["date_time"])
        for message in messages:
            if text := str(message.get("clean_text") or "").strip():
                yield Turn("", scope, "user", text, said_at, "given", message["speaker"], message_id=message["dia_id"])
        number += 1


def _question(name: str, number: int, entry: Mapping[str, Any]) -> AnnotatedQuestion:
    gold = entry.get("answer")
    evidence = frozenset(entry.get("evidence") or ())
    text = ABSTAIN if gold is None else str(gold)
    return AnnotatedQuestion(f"{name}/{number}", entry["question"], text, str(entry["category"]), evidence)


def _moment(date: str) -> datetime:
    """Parse `29.12.2023, 14:05:00`."""
    return datetime.strptime(date, "%d.%m.%Y, %H:%M:%S").replace(tzinfo=UTC)
