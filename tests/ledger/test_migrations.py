"""Tests that ledgers of older versions open unchanged."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from support import ANA, BEN, add, change, texts

from langchain_memlora.ledger import Ledger
from langchain_memlora.ledger.migrations import STEPS, VERSION
from langchain_memlora.types import Event

OLD = Path(__file__).parent / "old"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    raw = sqlite3.connect(tmp_path / "old.sqlite3")
    raw.executescript((OLD / "version-1.sql").read_text())
    raw.close()
    return tmp_path / "old.sqlite3"


def version(path: Path) -> int:
    raw = sqlite3.connect(path)
    found = raw.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()[0]
    raw.close()
    return int(found)


def test_migration_for_each_version() -> None:
    assert sorted(STEPS) == list(range(2, VERSION + 1))


def test_version_1_exports_unchanged(old: Path, tmp_path: Path) -> None:
    with Ledger(old) as ledger:
        ledger.export(tmp_path / "now.jsonl")
    assert (tmp_path / "now.jsonl").read_bytes() == (OLD / "version-1.jsonl").read_bytes()  # as version 1 exported it
    assert version(old) == VERSION


def test_version_1_ledger_is_usable(old: Path) -> None:
    with Ledger(old) as ledger:
        assert [len(job.turns) for job in ledger.jobs("pending")] == [1, 1]
        (berlin,) = ledger.memories(ANA)
        assert ledger.restore(ANA, berlin.id).after == "lives in Porto"
        change(ledger, Event.UPDATE, berlin.id, "lives in Rome")
        add(ledger, "has a dog", BEN)
        assert ledger.lexical(ANA, "memory", "Rome", 5) == [berlin.id]
        assert ledger.repair() == 0
        ledger.erase("ana")
        ledger.finish_erasure()
    with Ledger(old) as again:
        assert texts(again.memories(BEN)) == ["has a dog"]
        assert again.memories(ANA) == []
        assert again.check() == []


def test_failed_migration_keeps_old_version(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(connection: object) -> None:
        whole(connection)  # type: ignore[arg-type]
        raise RuntimeError("the power goes")

    whole = STEPS[2]
    monkeypatch.setitem(STEPS, 2, breaks)
    with pytest.raises(RuntimeError, match="the power goes"):
        Ledger(old)
    monkeypatch.undo()
    assert version(old) == 1
    with Ledger(old) as ledger:
        assert texts(ledger.memories(ANA)) == ["lives in Berlin"]
