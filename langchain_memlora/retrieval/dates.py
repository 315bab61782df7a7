"""Find explicit time expressions in a chat message and resolve them.

"I saw her last Saturday" is ambiguous a year later. This module finds such expressions and resolves them to the day, week,
month or year they meant when the message was sent. The patterns are in `date_rules`; other words are never guessed at.

Conventions: weeks run Monday to Sunday; seasons are the northern ones (spring is March to May, winter is December to
February); hours and minutes are ignored; habits ("every Monday", "on Mondays") resolve to nothing.
"""

from __future__ import annotations

from datetime import datetime

from langchain_memlora.errors import InvalidInputError
from langchain_memlora.retrieval.date_rules import HABIT_BEFORE, RULES, tenses
from langchain_memlora.retrieval.date_spans import DateSpan, Granularity, format_day

__all__ = ["DateSpan", "Granularity", "annotate", "find_dates", "format_day"]


def find_dates(text: str, observed_at: datetime) -> list[DateSpan]:
    """Find the explicit time expressions in a message and resolve them.

    "last Saturday" is the latest Saturday before the day of the message and
    "next Friday" the first Friday after it. If the words leave the
    direction open, no grammar is parsed: the verb or other word of time
    ("met", "-ed", "will", "is", "starts", "due" ...) nearest before the
    expression in its sentence decides, or the first after it in its clause.
    The present is about the future.

    * "on Friday", "in May", "the 3rd", "May 5" and "Christmas" are then the
      latest before the message or the first after it; a day or month that
      has begun counts as both. Without such a word they are the nearest ones.
    * "this Friday" is the coming one, unless such a word is of the past.
    * A date without a year gets its year by the same rule.
    * "12.07.2024" begins with the day. With slashes or hyphens the part above
      12 is the day; if neither is, day and month differ by country, so
      "3/5/2024" resolves to nothing.

    Args:
        text: The message.
        observed_at: The time of the message; its own time zone decides the day.

    Returns:
        Spans in the order of the text, none overlapping another.

    Raises:
        InvalidInputError: `observed_at` has no time zone.

    Example:
        ```python
        from datetime import datetime, timezone
        from langchain_memlora.retrieval.dates import find_dates

        said = datetime(2024, 5, 8, 9, 30, tzinfo=timezone.utc)
        first, second = find_dates("We met last Saturday, in 2 weeks she's off", said)
        assert (first.text, first.describe()) == ("last Saturday", "4 May 2024")
        assert (second.text, second.describe()) == ("in 2 weeks", "week of 20 May 2024")
        ```
    """
    if observed_at.utcoffset() is None:
        msg = (
            f"observed_at={observed_at!r} has no time zone. Pass an aware datetime, such as datetime.now(timezone.utc)."
        )
        raise InvalidInputError(msg)
    today = observed_at.date()
    found: list[DateSpan] = []
    for pattern, resolve in RULES:
        for match in pattern.finditer(text):
            if HABIT_BEFORE.search(text, max(0, match.start() - 20), match.start()):
                continue
            try:
                days = resolve(match, today)
            except (ValueError, OverflowError):  # 30 February, or outside the years 1 to 9999
                continue
            if days is not None:
                position = match.span("span" if "span" in pattern.groupindex else 0)
                found.append(DateSpan(text[slice(*position)], *days, position))
    tenses.cache_clear()  # words of a message, which may be erased, stay in no cache
    found.sort(key=lambda span: (span.position[0], -span.position[1]))
    kept: list[DateSpan] = []
    for span in found:
        if not kept or span.position[0] >= kept[-1].position[1]:
            kept.append(span)
    return kept


def annotate(text: str, observed_at: datetime) -> str:
    """Return the note to show after a message, so that its dates stay clear.

    Expressions that name their year ("14 July 2023", "in 2019") and
    repetitions are left out.

    Args:
        text: The message.
        observed_at: The time of the message.

    Returns:
        "words = meaning" pairs joined by semicolons, or an empty string.

    Raises:
        InvalidInputError: `observed_at` has no time zone.

    Example:
        ```python
        from datetime import datetime, timezone
        from langchain_memlora.retrieval.dates import annotate

        said = datetime(2024, 5, 8, tzinfo=timezone.utc)
        note = annotate("Saw Ana last Saturday; Rome next month!", said)
        assert note == "last Saturday = 4 May 2024; next month = June 2024"
        ```
    """
    notes: dict[str, None] = {}  # a dict keeps the order and drops repetitions
    for span in find_dates(text, observed_at):
        if str(span.start.year) not in span.text:
            notes[f"{' '.join(span.text.split())} = {span.describe()}"] = None
    return "; ".join(notes)
