"""Find explicit time expressions in a chat message and resolve them.

"I saw her last Saturday" is ambiguous a year later. This module finds such expressions and resolves them to the day, week,
month or year they meant when the message was sent. The patterns are in `date_rules`; other words are never guessed at.

Conventions: weeks run Monday to Sunday; seasons are the northern ones (spring is March to May, winter is December to
February); hours and minutes are ignored; habits ("every Monday", "on Mondays") resolve to nothing.
"""

from __future__ import annotations

from datetime import datetime

from langchain_memlora.errors import InvalidInputError
from langchain_memlora.retrieval.date_rules import HABIT_BEFORE, RULES
from langchain_memlora.retrieval.date_spans import DateSpan, Granularity, format_day

__all__ = ["DateSpan", "Granularity", "annotate", "find_dates", "format_day"]


def find_dates(text: str, observed_at: datetime) -> list[DateSpan]:
    """Find the explicit time expressions in a message and resolve them.

    "last Saturday" is the latest Saturday before the day of the message and
    "next Friday" the first Friday after it. If the words leave the
    direction open, no grammar is parsed; a short list of words ("will", "going
    to", "plan", "next" ...) earlier in the same sentence, or right after an
    expression that opens the sentence, makes it future:

    * "in May" is the latest May that had begun, or with such a word the first
      May not yet over;
    * "on Friday" is the nearest Friday, or with such a word the first on or
      after the day of the message, as is "this Friday"; without such a word,
      a past tense in the sentence ("had", "was", "-ed") makes either the
      latest Friday, the day of the message included;
    * "May 5" or "Christmas" without a year is the nearest one.

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
