"""Tests of the speaker's day, of the order of what was observed, and of several changes in one message."""

from __future__ import annotations

import itertools
import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from support.field_faults import Make, deciding, june, only, recalled, texts

from langchain_memlora import MemLoRAMemory
from langchain_memlora.testing import ScriptedEngine

pytestmark = pytest.mark.slow

# -- the speaker's day -------------------------------------------------------------------------------------------------

NEPAL, SAMOA = timezone(timedelta(hours=5, minutes=45)), timezone(timedelta(hours=-11))
NEW_YORK, KIRITIMATI = ZoneInfo("America/New_York"), ZoneInfo("Pacific/Kiritimati")
DAYS = [
    (datetime(2024, 7, 1, 3, 0, tzinfo=NEPAL), "today", "1 July 2024", "30 June 2024"),
    (datetime(2024, 12, 31, 23, 30, tzinfo=SAMOA), "today", "31 December 2024", "1 January 2025"),
    (datetime(2024, 3, 10, 23, 30, tzinfo=NEW_YORK), "today", "10 March 2024", "11 March 2024"),
    (datetime(2024, 11, 2, 21, 0, tzinfo=NEW_YORK), "tomorrow", "3 November 2024", "4 November 2024"),
    (
        datetime(2024, 3, 1, 6, 0, tzinfo=timezone(timedelta(hours=9))),
        "yesterday",
        "29 February 2024",
        "28 February 2024",
    ),
    (datetime(2025, 1, 1, 0, 30, tzinfo=KIRITIMATI), "today", "1 January 2025", "31 December 2024"),
]


@pytest.mark.parametrize(("at", "word", "right", "wrong"), DAYS)
def test_day_in_answers_tools_and_recall(
    memory: MemLoRAMemory, at: datetime, word: str, right: str, wrong: str
) -> None:
    memory.add(f"I have a dentist appointment {word}.", user_id="ana", observed_at=at)
    answer = memory.answer("When is the dentist appointment?", user_id="ana").context
    found = str(memory.as_tools(user_id="ana")[0].invoke({"query": "dentist appointment"}))
    shown = recalled(memory, "When is the dentist appointment?")
    for text in (answer, found, shown):
        assert right in text
        assert wrong not in text


@pytest.mark.parametrize("word", ["this month", "this year", "last year"])
def test_month_and_year_at_the_end_of_the_year(memory: MemLoRAMemory, word: str) -> None:
    # In UTC it is January 2025 already.
    memory.add(f"I changed jobs {word}.", user_id="ana", observed_at=datetime(2024, 12, 31, 20, tzinfo=SAMOA))
    text = memory.answer("When did I change jobs?", user_id="ana").context
    assert {"this month": "December 2024", "this year": "2024", "last year": "2023"}[word] in text
    assert "2025" not in text


def test_day_survives_reopening_and_export(make: Make, tmp_path: Path) -> None:
    at, place = datetime(2024, 7, 1, 3, 0, tzinfo=NEPAL), tmp_path / "kept"
    first = make(path=place)
    first.add("I have a dentist appointment today.", user_id="ana", observed_at=at)
    first.export(tmp_path / "all.jsonl")
    first.close()
    again, other = make(path=place), make()
    again.rebuild()
    other.import_(tmp_path / "all.jsonl")
    for memory in (again, other):
        assert only(memory, "dentist").observed_at == at
        text = memory.answer("When is the dentist appointment?", user_id="ana").context
        assert "1 July 2024" in text
        assert "30 June" not in text


def test_later_instant_of_an_earlier_day_holds(memory: MemLoRAMemory) -> None:
    memory.add(
        "I live in Tokyo", user_id="ana", observed_at=datetime(2024, 3, 5, 7, 30, tzinfo=timezone(timedelta(hours=9)))
    )
    memory.add(
        "I live in Lima", user_id="ana", observed_at=datetime(2024, 3, 4, 18, 30, tzinfo=timezone(timedelta(hours=-5)))
    )
    assert texts(memory) == ["User live in Lima"]
    shown = memory.answer("Where do I live?", user_id="ana").context
    assert not any("no longer so" in line for line in shown.splitlines() if "Lima" in line)


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="no tzset")
def test_default_zone_far_from_utc(memory: MemLoRAMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    # Without `observed_at` and without any setting, the speaker's zone is the machine's.
    now = datetime.now(UTC)
    zone = "Pacific/Kiritimati" if now.hour >= 10 else "Pacific/Pago_Pago"
    try:
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        memory.add("I have a dentist appointment today.", user_id="ana")
        context = memory.answer("When is the dentist appointment?", user_id="ana").context
    finally:
        monkeypatch.undo()
        time.tzset()
    day = now.astimezone(ZoneInfo(zone)).date()
    assert f"{day.day} {day:%B} {day.year}" in context
    assert f"{now.day} {now:%B} {now.year}" not in context


# -- order of truth ----------------------------------------------------------------------------------------------------

HOMES = [("Porto", 2019), ("Oslo", 2021), ("Bern", 2024)]


def assert_lives_in_bern(memory: MemLoRAMemory) -> None:
    assert texts(memory) == ["User live in Bern"]
    lines = memory.answer("Where do I live?", user_id="ana", k=20, budget=2000).context.splitlines()
    assert any("Bern" in line for line in lines)
    for line in lines:
        assert not ("Bern" in line and "no longer so" in line)
        assert "no longer so" in line or not any(f"live in {city}" in line for city in ("Porto", "Oslo"))
    known = "\n".join(f"{op.fact} {op.before} {op.after}" for op in memory.history(user_id="ana"))
    assert all(city in known for city, _ in HOMES)


@pytest.mark.parametrize("order", [*itertools.permutations(range(3))])
def test_shuffled_backfill(memory: MemLoRAMemory, order: tuple[int, ...]) -> None:
    for city, year in (HOMES[i] for i in order):
        memory.add(f"I live in {city}", user_id="ana", observed_at=june(year), thread_id=city)
    assert_lives_in_bern(memory)


@pytest.mark.parametrize("order", [(2, 1, 0), (2, 0, 1), (1, 2, 0)])
@pytest.mark.parametrize("how", ["background", "add_many"])
def test_shuffled_backfill_in_bulk(memory: MemLoRAMemory, order: tuple[int, ...], how: str) -> None:
    chats = [
        {"messages": f"I live in {city}", "user_id": "ana", "observed_at": june(year), "thread_id": city}
        for city, year in (HOMES[i] for i in order)
    ]
    if how == "add_many":
        memory.add_many(chats)
    else:
        for chat in chats:
            memory.add(chat.pop("messages"), background=True, **chat)
        memory.flush()
    assert_lives_in_bern(memory)


def test_history_of_the_newer_holds_the_older(memory: MemLoRAMemory) -> None:
    memory.add("I live in Bern", user_id="ana", observed_at=june(2024))
    memory.add("I live in Oslo", user_id="ana", observed_at=june(2021), thread_id="old")
    key = only(memory, "Bern").id
    known = "\n".join(f"{op.fact} {op.before} {op.after}" for op in memory.history(key, user_id="ana"))
    assert "Oslo" in known


def test_older_news_between_two_statements(memory: MemLoRAMemory) -> None:
    for year in (2020, 2024):
        memory.add("I live in Bern", user_id="ana", observed_at=june(year), thread_id=str(year))
    memory.add("I live in Oslo", user_id="ana", observed_at=june(2022), thread_id="2022")
    assert texts(memory) == ["User live in Bern"]


@pytest.mark.parametrize("years", [(2024,), (2019, 2024), (2024, 2019)])
def test_old_request_spares_later_statements(memory: MemLoRAMemory, years: tuple[int, ...]) -> None:
    for year in years:
        memory.add("I own three cats", user_id="ana", observed_at=june(year), thread_id=str(year))
    memory.add("forget I own three cats", user_id="ana", observed_at=june(2021), thread_id="old")
    assert texts(memory) == ["User own three cats"]
    assert "three cats" in memory.answer("Which pets do I own?", user_id="ana").text


def test_request_in_order_deletes(memory: MemLoRAMemory) -> None:
    memory.add("I own three cats", user_id="ana", observed_at=june(2019), thread_id="a")
    memory.add("forget I own three cats", user_id="ana", observed_at=june(2021), thread_id="b")
    assert texts(memory) == []
    memory.add("I own three cats", user_id="ana", observed_at=june(2024), thread_id="c")
    assert texts(memory) == ["User own three cats"]


def test_backfill_brings_nothing_forgotten_back(memory: MemLoRAMemory) -> None:
    # A chat of 2018 that is imported after a request of 2022 is older than the request.
    memory.add("I own three cats", user_id="ana", observed_at=june(2019), thread_id="a")
    memory.add("forget I own three cats", user_id="ana", observed_at=june(2022), thread_id="b")
    memory.add("I own three cats", user_id="ana", observed_at=june(2018), thread_id="c")
    assert texts(memory) == []


def test_seconds_apart_within_a_day(memory: MemLoRAMemory) -> None:
    memory.add("I live in Bern", user_id="ana", observed_at=datetime(2024, 5, 1, 12, 30, tzinfo=UTC), thread_id="a")
    memory.add("I live in Oslo", user_id="ana", observed_at=datetime(2024, 5, 1, 12, 29, 59, tzinfo=UTC), thread_id="b")
    assert texts(memory) == ["User live in Bern"]


# -- several changes in one message ------------------------------------------------------------------------------------


def updates_by_id(operations: Any) -> list[int]:
    changed = [op.memory_id for op in operations if str(op.event) == "UPDATE" and op.by == "expert"]
    return [changed.count(key) for key in {*changed}]


@pytest.mark.parametrize("label", ["UPDATE", "DELETE"])
@pytest.mark.parametrize("backfilled", [False, True])
def test_three_changes_of_one_memory(make: Make, label: str, backfilled: bool) -> None:
    said = "I stopped omeprazole. I take pantoprazole. I take calcium."
    rows = {"I stopped": ["stopped omeprazole", "take pantoprazole", "take calcium"]}
    memory = make(rows, lambda old, new: label if "daily" in old else "ADD")
    memory.add("I take omeprazole daily", user_id="ana", observed_at=june(2021), thread_id="a")
    done = memory.add(said, user_id="ana", observed_at=june(2022), thread_id="b", background=backfilled)
    operations = memory.flush().operations if backfilled else done.operations
    known = "\n".join(texts(memory))
    for word in ("stopped omeprazole", "pantoprazole", "calcium"):
        assert word in known
    assert all(count == 1 for count in updates_by_id(operations))


@pytest.mark.parametrize(
    "rows", [["number is 777", "forget: number is 555"], ["forget: number is 555", "number is 777"]]
)
def test_change_and_request_about_one_memory(make: Make, rows: list[str]) -> None:
    def rule(old: str, new: str) -> str:
        return "DELETE" if new.startswith("forget") else "UPDATE"

    memory = make({"777": rows, "is 555": ["number is 555"]}, rule)
    memory.add("My number is 555", user_id="ana", thread_id="a", observed_at=june(2021))
    memory.add("My number is 777 now, don't use 555 any more", user_id="ana", thread_id="b", observed_at=june(2022))
    known = "\n".join(texts(memory))
    assert "777" in known
    assert "number is 555" not in known


def test_changes_in_two_windows_of_a_message(make: Make) -> None:
    def extraction(prompt: str) -> str:
        rows = [f"1 {row}" for row in ("stopped omeprazole", "take pantoprazole") if row in prompt]
        return "\n".join(rows) or "none"

    script = {"memory_update": deciding(lambda o, n: "UPDATE" if "daily" in o else "ADD"), "generation": lambda p: p}
    memory = make(engine=ScriptedEngine(extraction=extraction, **script))
    memory.add("I take omeprazole daily", user_id="ana", infer=False, thread_id="a", observed_at=june(2021))
    filler = "We talked about the garden and the weather. " * 60
    done = memory.add(
        f"I stopped omeprazole. {filler}I take pantoprazole.", user_id="ana", thread_id="b", observed_at=june(2022)
    )
    known = "\n".join(texts(memory))
    assert "stopped omeprazole" in known
    assert "pantoprazole" in known
    assert all(count == 1 for count in updates_by_id(done.operations))


def test_restore_undoes_the_one_change(make: Make) -> None:
    rows = {"I stopped": ["stopped omeprazole", "take pantoprazole"]}
    memory = make(rows, lambda old, new: "UPDATE" if "daily" in old else "ADD")
    memory.add("I take omeprazole daily", user_id="ana", observed_at=june(2021), thread_id="a")
    key = memory.get_all(user_id="ana")[0].id
    memory.add("I stopped omeprazole. I take pantoprazole.", user_id="ana", observed_at=june(2022), thread_id="b")
    memory.restore(key, user_id="ana")
    known = "\n".join(texts(memory))
    assert "omeprazole daily" in known
    assert "pantoprazole" in known


def test_second_message_changes_what_the_first_added(make: Make) -> None:
    rows = {"I stopped": ["stopped omeprazole", "take pantoprazole"], "40 mg": ["take pantoprazole 40 mg"]}

    def rule(old: str, new: str) -> str:
        return "UPDATE" if ("take pantoprazole" if "40 mg" in new else "daily") in old else "ADD"

    memory = make(rows, rule)
    memory.add("I take omeprazole daily", user_id="ana", observed_at=june(2021), thread_id="a")
    both = ["I stopped omeprazole. I take pantoprazole.", "I take pantoprazole 40 mg."]
    memory.add(both, user_id="ana", observed_at=june(2022), thread_id="b")
    known = "\n".join(texts(memory))
    assert "40 mg" in known
    assert "stopped omeprazole" in known
    assert "omeprazole daily" not in known
