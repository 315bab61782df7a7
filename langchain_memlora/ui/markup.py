"""HTML fragments that all panels share. `Markup.format` escapes all text of people and models."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from markupsafe import Markup

from langchain_memlora.retrieval.dates import annotate, format_day
from langchain_memlora.types import Event, Operation, Turn

EMPTY = Markup("")
_CHIP = Markup('<span class="chip chip-{kind}">{name}</span>')
_TIME = Markup('<time datetime="{iso}" title="{exact}">{words}</time>')
_QUOTE = Markup("<blockquote><p>{text}</p><footer>{who}, {when}</footer></blockquote>")
_NOTE = Markup('<p class="note">{note}</p>')
_BECAME = Markup('<span class="was">{before}</span> <span class="arrow" aria-label="became">→</span> {after}')
_GONE = Markup('<span class="fine">forgotten</span>')


def join(parts: Iterable[Markup]) -> Markup:
    """Join fragments."""
    return EMPTY.join(parts)


def chip(event: Event) -> Markup:
    """Render the name of an operation on its colour."""
    return _CHIP.format(kind=event.value.lower(), name=event.value)


def when(moment: datetime, now: datetime | None = None) -> Markup:
    """Render a moment in words, in its own time zone, with the exact time as tooltip.

    Example:
        ```python
        from datetime import datetime
        from langchain_memlora.ui.markup import when

        monday = datetime(2024, 3, 4, 12).astimezone()
        assert "4 March 2024" in when(monday)
        assert "today, 12:00" in when(monday, now=monday)
        ```
    """
    today = (now or datetime.now(UTC)).astimezone(moment.tzinfo).date()
    names = {today: "today", today - timedelta(days=1): "yesterday"}
    day = names.get(moment.date())
    words = f"{day}, {moment:%H:%M}" if day else format_day(moment.date())
    return _TIME.format(iso=moment.isoformat(), exact=f"{moment:%Y-%m-%d %H:%M:%S %Z}", words=words)


def resolved(text: str, observed_at: datetime) -> Markup:
    """Render the meaning of the relative dates in a text; nothing if it has none."""
    note = annotate(text, observed_at)
    return _NOTE.format(note=note) if note else EMPTY


def quote(turn: Turn) -> Markup:
    """Render a message as a quotation."""
    who = turn.speaker or ("you" if turn.role == "user" else turn.role)
    return _QUOTE.format(text=turn.shown, who=who, when=when(turn.observed_at))


def change(operation: Operation) -> Markup:
    """Render a memory before and after an operation; a deleted text is left out."""
    if not (operation.before or operation.after or operation.fact):
        return _GONE
    match operation.event:
        case Event.UPDATE:
            return _BECAME.format(before=operation.before, after=operation.after)
        case Event.DELETE:
            return Markup('<span class="was">{}</span>').format(operation.before)
        case Event.NONE:
            return Markup('<span class="same">{}</span>').format(operation.fact or operation.before or "")
    return Markup("{}").format(operation.after)


def plural(count: int, noun: str) -> str:
    """Return a count with its noun: `1 message`, `2 messages`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
