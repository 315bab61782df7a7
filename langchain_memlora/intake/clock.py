"""The clock of a memory: the time now, and the zone of speakers whose messages come without one.

A day is the speaker's, so a time keeps its offset from UTC. The offset is fixed where the time comes in: datetimes that share a
`ZoneInfo` are compared by their wall clocks, which is wrong in the hour that summer time repeats.
"""

from __future__ import annotations

from datetime import UTC, datetime, timezone, tzinfo
from zoneinfo import ZoneInfo

from langchain_memlora.errors import InvalidInputError


class Clock:
    """Tells the time in one zone.

    Args:
        zone: An IANA name or a `tzinfo`; by default this machine's zone.

    Raises:
        InvalidInputError: The zone is unknown, or gives no offset.

    Example:
        ```python
        from datetime import datetime
        from langchain_memlora.intake import Clock

        assert Clock("Asia/Tokyo").read(datetime(2024, 3, 5, 7, 30)).isoformat() == "2024-03-05T07:30:00+09:00"
        ```
    """

    def __init__(self, zone: str | tzinfo | None = None) -> None:
        self._zone = _find(zone)
        if self._zone and datetime.now(self._zone).utcoffset() is None:
            msg = (
                f"timezone={zone!r} gives no offset from UTC. Pass an IANA name such as 'Europe/Berlin', or a ZoneInfo."
            )
            raise InvalidInputError(msg)

    def now(self) -> datetime:
        """Return the current time."""
        return with_fixed_offset(datetime.now(UTC).astimezone(self._zone))

    def read(self, moment: datetime) -> datetime:
        """Return a time with its own offset; one without a time zone is read as a wall clock in this zone.

        Raises:
            InvalidInputError: It has no date in UTC.
        """
        try:
            if moment.utcoffset() is None:
                moment = moment.replace(tzinfo=self._zone) if self._zone else moment.astimezone()
            return with_fixed_offset(moment)
        except OverflowError as error:
            msg = f"{moment!r} has no date in UTC. Pass a datetime within the years 1 to 9999."
            raise InvalidInputError(msg) from error


def with_fixed_offset(moment: datetime) -> datetime:
    """Return the same time with its offset in place of its zone.

    Raises:
        OverflowError: It has no date in UTC.
    """
    offset = moment.utcoffset()
    assert offset is not None
    return moment.astimezone(UTC).astimezone(timezone(offset))


def _find(zone: str | tzinfo | None) -> tzinfo | None:
    if zone is None or isinstance(zone, tzinfo):
        return zone
    try:
        return ZoneInfo(zone)
    except (KeyError, ValueError, TypeError, OSError) as error:
        msg = (
            f"timezone={zone!r:.80} is unknown. Pass an IANA name such as 'Europe/Berlin', or a tzinfo. If this machine has no "
            "time zone data, install the package tzdata."
        )
        raise InvalidInputError(msg) from error
