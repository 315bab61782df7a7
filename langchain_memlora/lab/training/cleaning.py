"""What is kept of a teacher's text. Each filter of the paper (arXiv 2512.04763, 3.2 and appendix A.2) is a switch.

A cleaned reply has a *target*, the text a student would have to write, and a *value*, what it means. A reply that can't be
read has neither, but the reason why.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_memlora.experts import UNKNOWN
from langchain_memlora.experts.dialects.base import written_fact
from langchain_memlora.experts.dialects.lines import read_fact
from langchain_memlora.experts.windows import Window, speaker_of
from langchain_memlora.types import FORGET_PREFIX, Event, Fact, Memory

MOST_WORDS = 20
_THOUGHTS = re.compile(r"<(think|thinking|reasoning)>.*?(</\1>|$)", re.DOTALL | re.IGNORECASE)
_CHANNELS = re.compile(
    r"^\s*(?:<\|channel\|>)?analysis.*?(?:<\|channel\|>final(?:<\|message\|>)?|assistantfinal)", re.DOTALL
)
_UNKNOWN = re.compile(
    r"(unknown|not (mentioned|known|told|stated|specified)|no (information|answer))\b.*", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Cleaning:
    """The switches.

    Attributes:
        thoughts: Remove what the teacher thought aloud.
        minimal: Keep only the JSON, or the short answer, and none of the text around it.
        untouched: Remove the NONE rows that teachers write for every old memory that no new fact concerns.
        gold: Where a question has a gold answer, train on that and don't ask the teacher.
    """

    thoughts: bool = True
    minimal: bool = True
    untouched: bool = True
    gold: bool = True


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


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What is left of a reply. `dropped` says why nothing is."""

    target: str = ""
    value: Any = None
    dropped: str | None = None


class _UnreadableError(Exception):
    """The reason becomes `Cleaned.dropped`."""


def clean_extraction(text: str, window: Window, switches: Cleaning) -> Cleaned:
    """The facts of a window, as a tuple of `TaughtFact`.

    One fact that can't be read spoils the whole reply: without it, the target would teach to leave facts out.
    """
    try:
        text = _without_thoughts(text, switches)
        rows = _rows(text, "facts")
        facts = tuple(_taught_fact(row, window) for row in rows)
    except _UnreadableError as error:
        return Cleaned(dropped=str(error))
    written = [written_fact(fact_of(fact, window)) for fact in facts]
    return Cleaned(_dumps({"facts": written}) if switches.minimal else text, facts)


def clean_update(text: str, facts: Sequence[Fact], memories: Sequence[Memory], switches: Cleaning) -> Cleaned:
    """The operations on shown memories, as a tuple of `TaughtOperation`, each new fact answered exactly once."""
    try:
        text = _without_thoughts(text, switches)
        given = _rows(text, "memory")
        taught = [_taught_operation(row, facts, memories) for row in given]
        answered = [operation.fact for operation in taught if operation.fact is not None]
        if sorted(answered) != list(range(len(facts))):
            msg = f"answers facts {sorted(n + 1 for n in answered)}, but facts 1 to {len(facts)} were asked about"
            raise _UnreadableError(msg)
    except _UnreadableError as error:
        return Cleaned(dropped=str(error))
    kept = [operation for operation in taught if operation.fact is not None or not switches.untouched]
    rows = [_update_row(operation, facts, memories) for operation in kept]
    return Cleaned(_dumps({"memory": rows}) if switches.minimal else text, tuple(kept))


def clean_answer(text: str, switches: Cleaning) -> Cleaned:
    """A short answer, as text."""
    try:
        text = _without_thoughts(text, switches)
        found = _json_with(text, "answer")
        answer = found["answer"] if found else text
        if not isinstance(answer, str) or not answer.strip():
            raise _UnreadableError("no answer")
    except _UnreadableError as error:
        return Cleaned(dropped=str(error))
    if not switches.minimal:
        return Cleaned(text, text)
    short = " ".join(answer.split()).removeprefix("Answer:").strip().strip('"').rstrip(".").strip()
    if _UNKNOWN.fullmatch(short):
        short = UNKNOWN
    if len(short.split()) > MOST_WORDS:
        return Cleaned(dropped=f"{len(short.split())} words are no short answer (at most {MOST_WORDS})")
    return Cleaned(short, short) if short else Cleaned(dropped="no answer")


def clean_questions(text: str) -> Cleaned:
    """Questions that a teacher wrote, as a tuple of strings. Its thoughts never matter here."""
    try:
        rows = _rows(_without_thoughts(text, Cleaning()), "questions")
    except _UnreadableError as error:
        return Cleaned(dropped=str(error))
    asked = tuple(row.strip() for row in rows if isinstance(row, str) and row.strip())
    return Cleaned(_dumps({"questions": asked}), asked) if asked else Cleaned(dropped="no questions")


def clean_look(text: str) -> Cleaned:
    """A question about a picture, its answer of one word and the reason, as a tuple of three strings."""
    try:
        row = _json_with(_without_thoughts(text, Cleaning()), "question")
        question, answer, reason = _texts(row or {}, "question", "answer", "reason")
    except _UnreadableError as error:
        return Cleaned(dropped=str(error))
    if len(answer.split()) > 1:
        return Cleaned(dropped=f"{answer!r} is more than one word")
    if len(reason.split()) > MOST_WORDS:
        return Cleaned(dropped=f"{len(reason.split())} words are no short reason (at most {MOST_WORDS})")
    return Cleaned(answer, (question, answer, reason))


def clean_caption(text: str) -> Cleaned:
    """A short description of a picture, as text."""
    try:
        (caption,) = _texts(_json_with(_without_thoughts(text, Cleaning()), "caption") or {}, "caption")
    except _UnreadableError as error:
        return Cleaned(dropped=str(error))
    if len(caption.split()) > MOST_WORDS:
        return Cleaned(dropped=f"{len(caption.split())} words are no short description (at most {MOST_WORDS})")
    return Cleaned(caption, caption)


def fact_of(taught: TaughtFact, window: Window) -> Fact:
    """The fact with its subject back in front, as the student's own output will be read."""
    row = FORGET_PREFIX + taught.sentence if taught.retracts else taught.sentence
    return read_fact(row, window.sources[taught.number])


def _taught_fact(row: Any, window: Window) -> TaughtFact:
    number = row.get("message") if isinstance(row, dict) else None
    text = row.get("fact") if isinstance(row, dict) else None
    if not isinstance(number, int) or not isinstance(text, str) or number not in window.sources:
        msg = f"{row!r} is not a fact of one of the messages {', '.join(map(str, window.sources))}"
        raise _UnreadableError(msg)
    subject = re.escape(speaker_of(window.sources[number]))
    found = re.fullmatch(rf"(?:the )?{subject}(?: |(?='s ))(.*\w.*?)\.?", " ".join(text.split()), re.IGNORECASE)
    if not found:
        msg = f"fact {text!r} does not begin with who wrote message {number}, {speaker_of(window.sources[number])!r}"
        raise _UnreadableError(msg)
    return TaughtFact(number, found[1], row.get("forget") is True)


def _taught_operation(row: Any, facts: Sequence[Fact], memories: Sequence[Memory]) -> TaughtOperation:
    try:
        event = Event(str(row["event"]).upper())
        fact = None if row.get("fact") is None else int(row["fact"]) - 1
        target = None if event is Event.ADD else int(row["id"])
    except (KeyError, TypeError, ValueError, AttributeError):
        msg = f"{row!r} has no event of ADD, UPDATE, DELETE or NONE, or no usable id"
        raise _UnreadableError(msg) from None
    if (target is not None and not 0 <= target < len(memories)) or (fact is not None and not 0 <= fact < len(facts)):
        msg = f"{row!r} names a memory or fact that was not shown"
        raise _UnreadableError(msg)
    if fact is None:
        if event is not Event.NONE:
            msg = f"{row!r} changes a memory but names no fact"
            raise _UnreadableError(msg)
        return TaughtOperation(event, None, target)
    # News supersedes and only a request to forget deletes, whatever the teacher calls it.
    if facts[fact].retracts and event not in {Event.DELETE, Event.NONE}:
        msg = f"{row!r} answers a request to forget with {event}"
        raise _UnreadableError(msg)
    if event is Event.DELETE and not facts[fact].retracts:
        event = Event.UPDATE
    return TaughtOperation(event, fact, target)


def _update_row(operation: TaughtOperation, facts: Sequence[Fact], memories: Sequence[Memory]) -> dict[str, str]:
    """In the paper's form: minimal, and nothing but what the next step needs."""
    old = memories[operation.target].text if operation.target is not None else ""
    new = facts[operation.fact].text if operation.fact is not None else ""
    shown = str(operation.target if operation.target is not None else len(memories) + (operation.fact or 0))
    row = {
        "id": shown,
        "text": old if operation.event in {Event.NONE, Event.DELETE} else new,
        "event": operation.event.value,
    }
    return {**row, "old_memory": old} if operation.event is Event.UPDATE else row


def _without_thoughts(text: str, switches: Cleaning) -> str:
    if not switches.thoughts:
        return text.strip()
    rest = _CHANNELS.sub("", _THOUGHTS.sub("", text)).strip()
    if not rest:
        raise _UnreadableError("nothing is left beside its thoughts" if text.strip() else "empty")
    return rest


def _texts(row: Mapping[str, Any], *keys: str) -> list[str]:
    """The texts under keys, each on one line, without the full stop at its end."""
    found = [" ".join(str(row.get(key, "")).split()).rstrip(".") for key in keys]
    if lacking := [key for key, text in zip(keys, found, strict=True) if not text]:
        msg = f"no {' and no '.join(lacking)} in {row!r:.80}"
        raise _UnreadableError(msg)
    return found


def _rows(text: str, key: str) -> list[Any]:
    found = _json_with(text, key)
    if found is None or not isinstance(found[key], list):
        msg = f"no JSON object with a list {key!r} in {text[:80]!r}"
        raise _UnreadableError(msg)
    return found[key]


def _json_with(text: str, key: str) -> dict[str, Any] | None:
    """The first JSON object in a text that has a key, whatever stands around it."""
    for start in (match.start() for match in re.finditer(r"\{", text)):
        try:
            found = json.JSONDecoder().raw_decode(text[start:])[0]
        except (ValueError, RecursionError):
            continue
        if key in found:
            return found
    return None


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
