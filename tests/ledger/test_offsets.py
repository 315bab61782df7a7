"""Tests that the ledger keeps the offset of a speaker beside the instant."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import ANA, MAY_8, add, change, get_memory, say

from langchain_memlora.errors import InvalidInputError
from langchain_memlora.ledger import Ledger
from langchain_memlora.ledger.stream import write_stream
from langchain_memlora.types import Event

OFFSETS = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
INSTANTS = st.datetimes(datetime(1900, 1, 2), datetime(2200, 1, 1), timezones=st.just(UTC))
TIMES = st.lists(st.builds(datetime.astimezone, INSTANTS, OFFSETS), min_size=1, max_size=10)


@settings(max_examples=4)
@given(TIMES)
def test_time_round_trips(
    new_place: Callable[[], str | Path], tmp_path_factory: pytest.TempPathFactory, times: list[datetime]
) -> None:
    export = tmp_path_factory.mktemp("times") / "one.jsonl"
    with Ledger(new_place()) as one, Ledger(new_place()) as two:
        keys = [add(one, "tea", told_by=say(one, f"tea {n}", at=at)) for n, at in enumerate(times)]
        one.export(export)
        two.import_(export)
        for ledger in (one, two):
            turns = [turn.observed_at for turn in ledger.all_turns(ANA)]
            memories = [get_memory(ledger, key).observed_at for key in keys]
            for found in (turns, memories):
                assert [at.isoformat() for at in found] == [at.isoformat() for at in times]


def test_update_and_restore_take_the_offset_along(ledger: Ledger) -> None:
    nepal = MAY_8.astimezone(timezone(timedelta(hours=5, minutes=45)))
    key = add(ledger, "in Porto", told_by=say(ledger, "Porto", at=nepal))
    change(ledger, Event.UPDATE, key, "in Rome", told_by=say(ledger, "Rome", at=MAY_8 + timedelta(1)))
    assert get_memory(ledger, key).observed_at.utcoffset() == timedelta(0)
    ledger.restore(ANA, key)
    assert get_memory(ledger, key).observed_at.isoformat() == nepal.isoformat()


@pytest.mark.parametrize("offset", ["+25:00", "Berlin", 9, "", None])
def test_invalid_offset_imports_nothing(ledger: Ledger, tmp_path: Path, offset: Any) -> None:
    say(ledger, "I drink tea")
    ledger.export(tmp_path / "one.jsonl")
    row = {**json.loads((tmp_path / "one.jsonl").read_text().splitlines()[1]), "utc_offset": offset}
    write_stream(tmp_path / "bad.jsonl", {"user_id": None}, [row])
    with Ledger(tmp_path / "two.sqlite3") as two:
        with pytest.raises(InvalidInputError, match="Line 2"):
            two.import_(tmp_path / "bad.jsonl")
        assert two.all_turns(ANA) == []
