"""Tests that ledgers of older versions open unchanged."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from support import ANA, BEN, add, change, texts

from langchain_memlora.ledger import Ledger, lexical
from langchain_memlora.ledger.migrations import STEPS, VERSION
from langchain_memlora.types import Event

OLD = Path(__file__).parent / "old"


def written_by(version: int, folder: Path) -> Path:
    """Return a ledger as a version of the schema wrote it."""
    raw = sqlite3.connect(folder / f"old-{version}.sqlite3")
    raw.executescript(f"BEGIN; {(OLD / f'version-{version}.sql').read_text()} COMMIT;")
    raw.close()
    return folder / f"old-{version}.sqlite3"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return written_by(1, tmp_path)


def records(export: Path) -> list[dict[str, Any]]:
    """Return the records of an export without header and footer."""
    return [json.loads(line) for line in export.read_text().splitlines()[1:-1]]


def version(path: Path) -> int:
    raw = sqlite3.connect(path)
    found = raw.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()[0]
    raw.close()
    return int(found)


def test_migration_for_each_version() -> None:
    assert sorted(STEPS) == list(range(2, VERSION + 1))


@pytest.mark.parametrize("number", [1, 3, 4, 5])
def test_old_ledger_and_its_export_agree(number: int, tmp_path: Path) -> None:
    old, export = written_by(number, tmp_path), OLD / f"version-{number}.jsonl"  # as that version exported it
    with Ledger(old) as ledger:
        ledger.export(tmp_path / "now.jsonl")
    assert version(old) == VERSION
    before = records(export)
    added = {"form", "said", "unread", "utc_offset"} - {key for row in before for key in row}
    rows = [row for row in records(tmp_path / "now.jsonl") if row["record"] != "withheld"]  # what was deleted withholds
    now = [{key: value for key, value in row.items() if key not in added} for row in rows]
    assert now == before
    with Ledger(tmp_path / "new.sqlite3") as ledger:
        ledger.import_(export)
        ledger.export(tmp_path / "again.jsonl")
    assert (tmp_path / "again.jsonl").read_bytes() == (tmp_path / "now.jsonl").read_bytes()


FORMS = {
    "lives in Porto": "unproven",
    "I keep bees": "given",  # added without inference
    "drinks green tea": "given",  # the caller's update of the expert's text
    "rides a red bike": "unproven",  # the expert's update of the caller's text
    "Has a boat": "given",  # the same, undone
    "likes jazz": "unproven",  # the expert's text, restored after the caller's update
    "owns a cat": "unproven",  # deleted
    "plays the cello": "unproven",  # deleted and restored
    "from mem0": "given",
}


def test_texts_of_old_experts_are_unproven(tmp_path: Path) -> None:
    with Ledger(written_by(3, tmp_path)) as ledger:
        memories = {m.text: m for user in (ANA, BEN) for m in ledger.memories(user, deleted=True)}
        assert {text: memory.form for text, memory in memories.items()} == FORMS
        assert {memory.said for memory in memories.values()} == {None}
        for before, form, now in (
            ("Rides a bike", "given", "rides a red bike"),
            ("drinks tea", "unproven", "drinks green tea"),
        ):
            assert ledger.restore(ANA, memories[now].id).form == form
            (restored,) = ledger.memories(ANA, ids=[memories[now].id])
            assert (restored.text, restored.form) == (before, form)
        assert [op.form for op in ledger.history(ANA, memories["Has a boat"].id)] == ["given", "unproven", "given"]


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


def test_old_words_of_every_script_are_found(tmp_path: Path) -> None:
    with Ledger(written_by(5, tmp_path)) as ledger:
        (cat,) = (memory.id for memory in ledger.memories(BEN) if "猫" in memory.text)
        assert ledger.lexical(BEN, "memory", "一只猫", 5) == [cat]
        assert len(ledger.lexical(BEN, "turn", "utery", 5)) == 1
        assert ledger.lexical(ANA, "turn", "boats", 5) != []
        assert ledger.repair() == 0


def test_failed_rewriting_of_words_keeps_old_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: object) -> None:
        raise RuntimeError("the power goes")

    place = written_by(5, tmp_path)
    monkeypatch.setattr(lexical, "put", breaks)
    with pytest.raises(RuntimeError, match="the power goes"):
        Ledger(place)
    monkeypatch.undo()
    assert version(place) == 5
    with Ledger(place) as ledger:
        assert len(ledger.lexical(BEN, "turn", "猫", 5)) == 1


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
