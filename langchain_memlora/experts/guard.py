"""Check facts that an extraction expert wrote freely: every content word of a memory must have been said.

A fact that is grounded in its message and the messages shown before it becomes `written`, with the sentence that it came from
as its span. Any other is replaced by a quotation of that sentence, and rejected if no sentence shares a content word with it.
Facts that a dialect returns with a span, and requests to forget, are left as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import takewhile

from langchain_memlora.errors import ExpertOutputError
from langchain_memlora.experts.choosing import SHORT_ANSWER
from langchain_memlora.experts.dialects.base import ParsedExtraction
from langchain_memlora.experts.dialects.spans import PART, quotation
from langchain_memlora.experts.grounding import NEGATION, Said, content_words, ungrounded
from langchain_memlora.experts.origin import Origin
from langchain_memlora.experts.sentence_prompt import CONTEXT_MESSAGES, clip_context
from langchain_memlora.experts.windows import Window, one_line, shown_part, speaker_of
from langchain_memlora.types import Fact, Span, Turn


def guard(parsed: ParsedExtraction, window: Window) -> ParsedExtraction:
    """Return an extraction without anything that the window does not say.

    Example:
        ```python
        from datetime import datetime, timezone
        from langchain_memlora.experts.dialects import ParsedExtraction
        from langchain_memlora.experts.guard import guard
        from langchain_memlora.experts.windows import cut_windows
        from langchain_memlora.types import Fact, Scope, Turn

        now = datetime.now(timezone.utc)
        (window,) = cut_windows([Turn("t1", Scope("ana"), "user", "I live in Porto. I have a dog.", now)])
        written = ("User lives in Porto", "User has a dog named Rex", "User likes tea")
        guarded = guard(ParsedExtraction(tuple(Fact(text, "t1", now) for text in written)), window)
        assert [fact.text for fact in guarded.facts] == ["User lives in Porto", 'User: "I have a dog."']
        assert "likes tea" in str(guarded.rejected[0])
        ```
    """
    free = {fact.turn_id for fact in parsed.facts if not (fact.retracts or fact.said)}
    sources = {turn.id: _Source(turn, window) for turn in window.turns if turn.id in free}
    kept: dict[int, Fact] = {}
    found: dict[int, _Place] = {}
    rejected = list(parsed.rejected)
    for position, fact in enumerate(parsed.facts):
        if fact.retracts or fact.said:
            kept[position] = fact
        elif place := sources[fact.turn_id].place(fact.text):
            found[position] = place
        else:
            msg = f"Fact {fact.text!r:.200} is left out: no sentence of its message that can be quoted shares a content word."
            rejected.append(ExpertOutputError(msg))
    for turn_id, source in sources.items():
        places = {at: place for at, place in found.items() if parsed.facts[at].turn_id == turn_id}
        kept |= {at: source.fact(parsed.facts[at], place) for at, place in _joined(places)}
    return ParsedExtraction(tuple(kept[position] for position in sorted(kept)), tuple(rejected))


@dataclass(frozen=True, slots=True)
class _Place:
    """The part of a message that a fact came from.

    Attributes:
        asked: Quotation of a message before it, where words of the fact come from there.
        grounded: The fact may be the memory's text.
    """

    start: int
    end: int
    asked: str
    grounded: bool


class _Source:
    """A message that states facts, as far as its window shows it, and what the window shows before it."""

    def __init__(self, turn: Turn, window: Window) -> None:
        self._turn = turn
        self._speaker = speaker_of(turn)
        self._before = list(takewhile(lambda line: line.turn.id != turn.id, window.lines))
        pieces = [line.text for line in window.lines if line.turn.id == turn.id]
        self._start, end = shown_part(turn.text, pieces)
        self._text = turn.text[self._start : end]
        self._origin = Origin(self._text, self._speaker)
        shown = one_line(" ".join(pieces))
        self._shown = [n for n, s in enumerate(self._origin.sentences) if one_line(s.text) in shown]

    def place(self, text: str) -> _Place | None:
        """Return the place that a sentence of the expert came from; `None` if there is none."""
        context = (f"{speaker_of(line.turn)}: {line.text}" for line in self._before)
        missing = set(ungrounded(text, self._text, *context, self._speaker))
        number = self._origin.find(text, self._shown)
        if number is None and self._answers(text) and missing <= {NEGATION}:
            number = 0
        if number is None:
            return None
        start, end = self._origin.offsets(number)
        if missing and end - start > PART:
            return None
        asked = self._asked(text, self._text[start:end])
        return _Place(self._start + start, self._start + end, asked, not missing)

    def fact(self, fact: Fact, place: _Place) -> Fact:
        """Return a fact with its span, or its quotation."""
        span = Span(place.start, place.end, place.asked)
        if place.grounded:
            return replace(fact, form="written", said=span)
        said = quotation(self._speaker, self._turn.text[place.start : place.end])
        return replace(fact, text=f"{place.asked} {said}" if place.asked else said, form="said", said=span)

    def _answers(self, text: str) -> bool:
        """Return whether the message is a short answer to a question that shares a content word with a sentence."""
        if not (self._before and self._origin.sentences and len(self._text.split()) <= SHORT_ANSWER):
            return False
        question = self._before[-1].text.rstrip()
        return question.endswith("?") and Origin(question, self._speaker).find(text) is not None

    def _asked(self, text: str, span: str) -> str:
        """Quote the sentence before the message that holds content words which the span lacks."""
        needed = " ".join(sorted(content_words(text, self._speaker).intersection(Said([span]).missing(text))))
        for line in reversed(self._before[-CONTEXT_MESSAGES:]):
            origin = Origin(line.text)
            number = origin.find(needed)
            if number is not None:
                return quotation(speaker_of(line.turn), clip_context(one_line(origin.sentences[number].text)))
        return ""


def _joined(places: dict[int, _Place]) -> Iterator[tuple[int, _Place]]:
    """Join the quotations of one message that overlap; leave out facts whose sentence is quoted anyway."""
    quoted: list[tuple[int, _Place]] = []
    for at, place in sorted(places.items(), key=lambda item: (item[1].start, item[1].end)):
        if place.grounded:
            continue
        if quoted and place.start < quoted[-1][1].end:
            first, last = quoted[-1]
            joined = replace(last, end=max(last.end, place.end), asked=last.asked or place.asked)
            quoted[-1] = min(first, at), joined
        else:
            quoted.append((at, place))
    yield from quoted
    for at, place in places.items():
        if place.grounded and not any(other.start <= place.start and place.end <= other.end for _, other in quoted):
            yield at, place
