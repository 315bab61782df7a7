"""Cleaning of a teacher's replies for the text experts; the filters are the paper's (arXiv 2512.04763, 3.2 and A.2)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from langchain_memlora.experts import UNKNOWN
from langchain_memlora.experts.dialects.base import written_fact
from langchain_memlora.experts.dialects.lines import read_fact
from langchain_memlora.experts.windows import Window, speaker_of
from langchain_memlora.lab.training.replies import (
    MOST_WORDS,
    Cleaned,
    Cleaning,
    UnreadableError,
    as_json,
    list_under,
    object_with,
    without_thoughts,
)
from langchain_memlora.types import FORGET_PREFIX, Event, Fact, Memory

_UNKNOWN = re.compile(
    r"(unknown|not (mentioned|known|told|stated|specified)|no (information|answer))\b.*", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class TaughtFact:
    """A fact as a student of the `lines` dialect writes it: the message's number, and the sentence without its subject."""

    number: int
    sentence: str
    retracts: bool


@dataclass(frozen=True, slots=True)
class TaughtOperation:
    """One row of an update.

    Attributes:
        fact: Position of the new fact it answers, from 0; `None` for an old memory that nothing concerns.
        target: Position of the old memory, from 0; `None` for ADD.
    """

    event: Event
    fact: int | None
    target: int | None


def clean_extraction(text: str, window: Window, switches: Cleaning) -> Cleaned:
    """Return the facts of a window, as a tuple of `TaughtFact`.

    One unreadable fact drops the whole reply: without it, the target would teach to leave facts out.
    """
    try:
        text = without_thoughts(text, switches)
        rows = list_under(text, "facts")
        facts = tuple(_taught_fact(row, window) for row in rows)
    except UnreadableError as error:
        return Cleaned(dropped=str(error))
    written = [written_fact(fact_of(fact, window)) for fact in facts]
    return Cleaned(as_json({"facts": written}) if switches.minimal else text, facts)


def clean_update(text: str, facts: Sequence[Fact], memories: Sequence[Memory], switches: Cleaning) -> Cleaned:
    """Return the operations on shown memories, as a tuple of `TaughtOperation`, one for each new fact."""
    try:
        text = without_thoughts(text, switches)
        given = list_under(text, "memory")
        taught = [_taught_operation(row, facts, memories) for row in given]
        answered = [operation.fact for operation in taught if operation.fact is not None]
        if sorted(answered) != list(range(len(facts))):
            msg = f"answers facts {sorted(n + 1 for n in answered)}, but facts 1 to {len(facts)} were asked about"
            raise UnreadableError(msg)
    except UnreadableError as error:
        return Cleaned(dropped=str(error))
    kept = [operation for operation in taught if operation.fact is not None or not switches.untouched]
    rows = [_update_row(operation, facts, memories) for operation in kept]
    return Cleaned(as_json({"memory": rows}) if switches.minimal else text, tuple(kept))


def clean_answer(text: str, switches: Cleaning) -> Cleaned:
    """Return a short answer, as text."""
    try:
        text = without_thoughts(text, switches)
        found = object_with(text, "answer")
        answer = found["answer"] if found else text
        if not isinstance(answer, str) or not answer.strip():
            raise UnreadableError("no answer")
    except UnreadableError as error:
        return Cleaned(dropped=str(error))
    if not switches.minimal:
        return Cleaned(text, text)
    short = " ".join(answer.split()).removeprefix("Answer:").strip().strip('"').rstrip(".").strip()
    if _UNKNOWN.fullmatch(short):
        short = UNKNOWN
    if len(short.split()) > MOST_WORDS:
        return Cleaned(dropped=f"{len(short.split())} words are too many for an answer (at most {MOST_WORDS})")
    return Cleaned(short, short) if short else Cleaned(dropped="no answer")


def clean_questions(text: str) -> Cleaned:
    """Return the questions that a teacher wrote, as a tuple of strings; thoughts are always removed."""
    try:
        rows = list_under(without_thoughts(text, Cleaning()), "questions")
    except UnreadableError as error:
        return Cleaned(dropped=str(error))
    asked = tuple(row.strip() for row in rows if isinstance(row, str) and row.strip())
    return Cleaned(as_json({"questions": asked}), asked) if asked else Cleaned(dropped="no questions")


def fact_of(taught: TaughtFact, window: Window) -> Fact:
    """Return the fact with its subject restored, as the student's own output will be read."""
    row = FORGET_PREFIX + taught.sentence if taught.retracts else taught.sentence
    return read_fact(row, window.sources[taught.number])


def _taught_fact(row: Any, window: Window) -> TaughtFact:
    number = row.get("message") if isinstance(row, dict) else None
    text = row.get("fact") if isinstance(row, dict) else None
    if not isinstance(number, int) or not isinstance(text, str) or number not in window.sources:
        msg = f"{row!r} is not a fact of one of the messages {', '.join(map(str, window.sources))}"
        raise UnreadableError(msg)
    subject = re.escape(speaker_of(window.sources[number]))
    found = re.fullmatch(rf"(?:the )?{subject}(?: |(?='s ))(.*\w.*?)\.?", " ".join(text.split()), re.IGNORECASE)
    if not found:
        msg = (
            f"fact {text!r} does not begin with the author of message {number}, {speaker_of(window.sources[number])!r}"
        )
        raise UnreadableError(msg)
    return TaughtFact(number, found[1], row.get("forget") is True)


def _taught_operation(row: Any, facts: Sequence[Fact], memories: Sequence[Memory]) -> TaughtOperation:
    try:
        event = Event(str(row["event"]).upper())
        fact = None if row.get("fact") is None else int(row["fact"]) - 1
        target = None if event is Event.ADD else int(row["id"])
    except (KeyError, TypeError, ValueError, AttributeError):
        msg = f"{row!r} has no event of ADD, UPDATE, DELETE or NONE, or no usable id"
        raise UnreadableError(msg) from None
    if (target is not None and not 0 <= target < len(memories)) or (fact is not None and not 0 <= fact < len(facts)):
        msg = f"{row!r} names a memory or fact that was not shown"
        raise UnreadableError(msg)
    if fact is None:
        if event is not Event.NONE:
            msg = f"{row!r} changes a memory but names no fact"
            raise UnreadableError(msg)
        return TaughtOperation(event, None, target)
    # News supersedes and only a request to forget deletes, whichever event the teacher names.
    if facts[fact].retracts and event not in {Event.DELETE, Event.NONE}:
        msg = f"{row!r} answers a request to forget with {event}"
        raise UnreadableError(msg)
    if event is Event.DELETE and not facts[fact].retracts:
        event = Event.UPDATE
    return TaughtOperation(event, fact, target)


def _update_row(operation: TaughtOperation, facts: Sequence[Fact], memories: Sequence[Memory]) -> dict[str, str]:
    """Return the row in the paper's minimal form."""
    old = memories[operation.target].text if operation.target is not None else ""
    new = facts[operation.fact].text if operation.fact is not None else ""
    shown = str(operation.target if operation.target is not None else len(memories) + (operation.fact or 0))
    row = {
        "id": shown,
        "text": old if operation.event in {Event.NONE, Event.DELETE} else new,
        "event": operation.event.value,
    }
    return {**row, "old_memory": old} if operation.event is Event.UPDATE else row
