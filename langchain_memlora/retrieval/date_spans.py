"""The meaning of a time expression: a range of calendar days, described in words that stay true."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

MONTHS = (
    "January", "February", "March", "April", "May", "June", "July",
    "August", "September", "October", "November", "December",
)  # fmt: skip
SEASONS = {"spring": 3, "summer": 6, "autumn": 9, "fall": 9, "winter": 12}
"""The first month of each season."""


class Granularity(StrEnum):
    """The length of time that an expression names."""

    DAY = "day"
    WEEKEND = "weekend"
    WEEK = "week"
    MONTH = "month"
    SEASON = "season"
    YEAR = "year"


@dataclass(frozen=True, slots=True)
class DateSpan:
    """A time expression and the calendar days it means.

    Attributes:
        text: The words as written, without a leading "on", "in" or "since".
        start: First day.
        end: Last day, inclusive.
        granularity: The length of time that it names.
        position: Start and end of `text` in the message.
    """

    text: str
    start: date
    end: date
    granularity: Granularity
    position: tuple[int, int]

    def describe(self) -> str:
        """Describe the span to a reader without further context.

        Returns:
            Words such as "4 May 2024", "week of 29 April 2024" or "winter 2023/24".

        Example:
            ```python
            from datetime import date
            from langchain_memlora.retrieval.dates import DateSpan, Granularity

            span = DateSpan("last week", date(2024, 4, 29), date(2024, 5, 5), Granularity.WEEK, (0, 9))
            assert span.describe() == "week of 29 April 2024"
            ```
        """
        year = self.start.year
        match self.granularity:
            case Granularity.DAY:
                return format_day(self.start)
            case Granularity.MONTH:
                return f"{MONTHS[self.start.month - 1]} {year}"
            case Granularity.SEASON if self.start.month == 12:
                return f"winter {year}/{(year + 1) % 100:02d}"
            case Granularity.SEASON:
                return f"{next(name for name, month in SEASONS.items() if month == self.start.month)} {year}"
            case Granularity.YEAR:
                return str(year)
            case _:
                return f"{self.granularity} of {format_day(self.start)}"


def format_day(day: date) -> str:
    """Format a day, such as "4 May 2024", the same in every locale."""
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"
