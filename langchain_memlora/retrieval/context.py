"""The context text for the reader: hits under their dates, oldest first, with relative dates resolved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from langchain_memlora.passages import shown_for
from langchain_memlora.retrieval.dates import annotate, format_day
from langchain_memlora.text import strip_invisible
from langchain_memlora.tokens import Count, clip, tokens_at_most
from langchain_memlora.types import Hit, Span, Turn

BUDGET = 250
MESSAGE_CLIP = 360
MEMORY_TOKENS = 200
"""Tokens that are shown of a memory."""
SPEAKER_TOKENS = 40
LEAST = 24
"""Tokens of the best hit that are shown whatever the budget."""
NO_NOTES = "(no notes)"
_When = tuple[datetime, int]
"""A time, and the number of the message, since the messages of one `add` may share a time."""


def build_context(hits: Sequence[Hit], *, budget: int = BUDGET, query: str = "", count: Count = tokens_at_most) -> str:
    """Render hits for the generation expert.

    Lines are taken from the best hit on. One that no longer fits the budget is left out; shorter ones after it may fit. Those
    taken are sorted by time, the latest last, and those of the same time in the order in which their messages were added. A
    memory is followed by the messages that support it; one in own words is shown as its message. Of a long memory or message,
    the passage that is most like the query is shown.

    Args:
        budget: Number of tokens, days included; only the beginning of the best hit may exceed it.
        query: What was searched for.
        count: Counts tokens as the model that will read the context.

    Example:
        ```python
        from langchain_memlora.retrieval.context import build_context

        assert build_context([]) == "(no notes)"
        ```
    """
    left = budget
    chosen: dict[tuple[str, _When], None] = {}
    days: set[str] = set()
    for hit in hits:
        for line, when in _lines(hit, query):
            if (line, when) in chosen:
                continue
            day = format_day(when[0].date())
            header = 0 if day in days else count(f"{day}\n")
            if not chosen:
                line = clip(line, max(left - header, LEAST), count)
            cost = count(f"{line}\n") + header
            if cost > left and chosen:
                continue
            left -= cost
            chosen[line, when] = None
            days.add(day)
    return _by_date(chosen)


def _lines(hit: Hit, query: str) -> list[tuple[str, _When]]:
    lines: list[tuple[str, _When]] = []
    spans: dict[str, Span] = {}
    if hit.memory and hit.memory.form == "said" and hit.memory.said and hit.memory.turn_ids:
        spans[hit.memory.turn_ids[0]] = hit.memory.said
    # A quotation is shown as the message that it is from, not twice.
    if hit.memory and not any(turn.id in spans for turn in hit.turns):
        first = next((turn.seq for turn in hit.turns if turn.id in hit.memory.turn_ids[:1]), 0)
        text = shown_for(hit.memory.text, query, MEMORY_TOKENS)
        lines.append((f"- {_noted(text, hit.memory.observed_at)}", (hit.memory.observed_at, first)))
    replaced = hit.replaced_by is not None
    for turn in hit.turns:
        lines += [
            (line, (turn.observed_at, turn.seq))
            for line in _message(turn, spans.get(turn.id), query, replaced=replaced)
        ]
    return lines


def _message(turn: Turn, span: Span | None, query: str, *, replaced: bool) -> Iterator[str]:
    """Yield a message as one line; one that is outdated in part as a line for each part."""
    long = len(" ".join(turn.words.split())) > MESSAGE_CLIP
    for part, outdated in turn.parts(span.start, span.end) if long and span else turn.parts():
        text = " ".join(part.split())
        text = f"... {text}" if long and span else text
        if len(text) > MESSAGE_CLIP:
            text = shown_for(text, query) if query else text[:MESSAGE_CLIP] + "..."
        text = clip(text, MEMORY_TOKENS)
        note = " (no longer so)" if replaced or outdated else ""
        if text:
            yield f"{clip(turn.speaker or turn.role, SPEAKER_TOKENS)}: {_noted(text, turn.observed_at)}{note}"


def _noted(text: str, observed_at: datetime) -> str:
    text = strip_invisible(text)
    note = annotate(text, observed_at)
    return f"{text} ({note})" if note else text


def _by_date(lines: Iterable[tuple[str, _When]]) -> str:
    days: dict[str, list[str]] = {}
    for line, (observed_at, _) in sorted(lines, key=lambda dated: dated[1]):
        days.setdefault(format_day(observed_at.date()), []).append(line)
    return "\n".join(f"{day}\n" + "\n".join(lines) for day, lines in days.items()) or NO_NOTES
