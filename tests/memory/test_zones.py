"""Tests that a day is the speaker's, as callers see it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langchain_memlora import MemLoRAMemory
from langchain_memlora.errors import InvalidInputError
from langchain_memlora.intake import Clock
from langchain_memlora.retrieval.dates import find_dates, format_day

Make = Callable[..., MemLoRAMemory]
TOKYO = timezone(timedelta(hours=9))
MORNING = datetime(2024, 3, 5, 7, 30, tzinfo=TOKYO)  # still 4 March in UTC
WHOLE_MINUTES = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
ZONES = st.one_of(
    WHOLE_MINUTES,
    st.sampled_from(
        ["Asia/Kathmandu", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Europe/Berlin", "America/St_Johns"]
    ).map(ZoneInfo),
)
INSTANTS = st.datetimes(datetime(1900, 1, 2), datetime(2200, 1, 1), timezones=st.just(UTC))


def test_day_is_the_speakers(memory: MemLoRAMemory) -> None:
    memory.add("I have a dentist appointment today", user_id="ana", observed_at=MORNING)
    answer = memory.answer("When is the appointment?", user_id="ana")
    assert "5 March 2024" in answer.context
    assert "today = 5 March 2024" in answer.context
    assert "4 March" not in answer.context
    (stored,) = memory.get_all(user_id="ana")
    (turn,) = memory.turns(stored.turn_ids, user_id="ana")
    for at in (stored.observed_at, turn.observed_at):
        assert (at, at.utcoffset()) == (MORNING, timedelta(hours=9))
    document = memory.as_retriever(user_id="ana").invoke("appointment")[0]
    assert document.metadata["observed_at"] == MORNING.isoformat()
    assert "5 March 2024" in document.metadata["dates"]
    search = next(tool for tool in memory.as_tools(user_id="ana") if "search" in tool.name)
    assert "said on 5 March 2024" in search.invoke({"query": "appointment"})


@settings(max_examples=60)
@given(INSTANTS, ZONES)
def test_words_resolve_in_the_speakers_zone(instant: datetime, zone: Any) -> None:
    local = Clock().read(instant.astimezone(zone))
    assert local == instant
    today = instant.astimezone(zone).date()
    days = {"yesterday": -1, "today": 0, "tomorrow": 1}
    for word, shift in days.items():
        (span,) = find_dates(word, local)
        assert span.describe() == format_day(today + timedelta(shift))


def test_restored_text_has_its_speakers_day(memory: MemLoRAMemory) -> None:
    memory.add("I live in Porto", user_id="ana", observed_at=MORNING, thread_id="1")
    memory.add(
        "I live in Berlin", user_id="ana", observed_at=MORNING.astimezone(UTC) + timedelta(days=9), thread_id="2"
    )
    (stored,) = memory.get_all(user_id="ana")
    assert stored.observed_at.utcoffset() == timedelta(0)
    memory.restore(stored.id, user_id="ana")
    assert memory.get(stored.id, user_id="ana").observed_at.date() == date(2024, 3, 5)


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", ZoneInfo("Pacific/Pago_Pago"), TOKYO], ids=str)
def test_clock_is_in_the_given_zone(make_memory: Make, zone: Any) -> None:
    memory = make_memory(timezone=zone)
    there = datetime.now(ZoneInfo(zone) if isinstance(zone, str) else zone)
    memory.add("I drink tea", user_id="ana")
    (stored,) = memory.get_all(user_id="ana")
    memory.update(stored.id, "drinks coffee", user_id="ana")
    for found in (stored, memory.get(stored.id, user_id="ana")):
        assert found.observed_at.utcoffset() == there.utcoffset()
        assert abs(found.observed_at - there) < timedelta(minutes=5)


@pytest.fixture
def machine_in_nepal(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="this system takes no zone from TZ")
@pytest.mark.usefixtures("machine_in_nepal")
def test_default_zone_is_the_machines(memory: MemLoRAMemory) -> None:
    memory.add("I drink tea", user_id="ana")
    assert memory.get_all(user_id="ana")[0].observed_at.utcoffset() == timedelta(hours=5, minutes=45)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd", 9, "UTC+25"])
def test_unknown_zone_raises(tmp_path: Path, zone: Any) -> None:
    with pytest.raises(InvalidInputError, match=r"timezone=.*IANA name"):
        MemLoRAMemory(path=tmp_path / "home", timezone=zone)
    assert not os.path.exists(tmp_path / "home")


def test_clock_reads_repeated_and_skipped_hours() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    first = Clock().read(datetime(2024, 10, 27, 2, 30, tzinfo=berlin))
    second = Clock().read(datetime(2024, 10, 27, 2, 30, tzinfo=berlin, fold=1))
    assert second - first == timedelta(hours=1)
    assert Clock().read(datetime(2024, 3, 31, 2, 30, tzinfo=berlin)).date() == date(2024, 3, 31)


def test_same_message_in_another_zone_is_known(memory: MemLoRAMemory) -> None:
    memory.add("I drink tea", user_id="ana", observed_at=MORNING)
    again = memory.add("I drink tea", user_id="ana", observed_at=MORNING.astimezone(UTC))
    assert [reason for _, reason in again.skipped] == ["known"]
