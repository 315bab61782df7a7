"""Tests of the ledger's file, its errors and its erasure."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from support import ANA, add, change, say, texts

from langchain_memlora.errors import InvalidInputError, LedgerError
from langchain_memlora.ledger import Ledger
from langchain_memlora.types import Event, Span


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.sqlite3") as opened:
        yield opened


def test_ledger_survives_reopening(tmp_path: Path) -> None:
    with Ledger(tmp_path / "l.db") as ledger:
        add(ledger, "in Porto")
    with Ledger(tmp_path / "l.db") as ledger:
        assert texts(ledger.memories(ANA)) == ["in Porto"]
        assert ledger.check() == []


@pytest.mark.parametrize("name", ["what? 100% #1", "a b&c=d", "ünï:cødé"])
def test_unusual_paths_work(tmp_path: Path, name: str) -> None:
    with Ledger(tmp_path / name / "l?x.db") as ledger:
        add(ledger, "in Porto")
    assert (tmp_path / name / "l?x.db").stat().st_size > 0


def test_new_file_waits_for_other_process(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "l.db", check_same_thread=False, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.execute("CREATE TABLE theirs (x)")
    done = threading.Timer(0.3, lambda: other.execute("COMMIT"))
    done.start()
    Ledger(tmp_path / "l.db").close()
    done.join()
    other.close()


def test_unsupported_schema_raises(tmp_path: Path) -> None:
    Ledger(tmp_path / "l.db").close()
    with sqlite3.connect(tmp_path / "l.db") as raw:
        raw.execute("UPDATE meta SET value = '99' WHERE key = 'schema'")
    raw.close()
    with pytest.raises(LedgerError, match=r"schema 99.*Use the version that wrote it"):
        Ledger(tmp_path / "l.db")


def test_non_database_file_raises(tmp_path: Path) -> None:
    (tmp_path / "l.db").write_bytes(b"not a ledger at all " * 500)
    with pytest.raises(LedgerError, match=r"not a database.*choose another"):
        Ledger(tmp_path / "l.db")
    assert (tmp_path / "l.db").read_bytes().startswith(b"not a ledger")


def test_damaged_file_raises(tmp_path: Path) -> None:
    with Ledger(tmp_path / "l.db") as ledger:
        for i in range(50):
            add(ledger, f"fact {i} " + "x" * 500)
        ledger.database.shrink()
    whole = (tmp_path / "l.db").read_bytes()
    (tmp_path / "l.db").write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    with pytest.raises(LedgerError, match=r"damaged|backup|doctor"), Ledger(tmp_path / "l.db") as ledger:
        ledger.memories(ANA)


def test_file_in_place_of_folder_raises(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("I am a file")
    with pytest.raises(LedgerError, match=r"Choose another `path`"):
        Ledger(tmp_path / "home" / "l.db")


def test_folder_in_place_of_file_raises(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=r"choose another `path`"):
        Ledger(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not bind root")
def test_read_only_folder_raises(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(LedgerError, match=r"writable"):
            Ledger(tmp_path / "l.db")
    finally:
        tmp_path.chmod(0o700)


def test_long_lock_raises_and_reads_continue(ledger: Ledger) -> None:
    add(ledger, "in Porto")

    @event.listens_for(ledger.database.engine, "checkout")
    def impatient(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute("PRAGMA busy_timeout=20")

    other = sqlite3.connect(ledger.database.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerError, match=r"locked.*try again"):
        add(ledger, "in Berlin")
    assert texts(ledger.memories(ANA)) == ["in Porto"]
    other.rollback()
    other.close()
    add(ledger, "in Berlin")
    assert len(ledger.memories(ANA)) == 2


def test_backup_while_in_use(ledger: Ledger, tmp_path: Path) -> None:
    told = say(ledger, "said before")
    with ledger.database.reading():
        add(ledger, "said while somebody reads", told_by=told)
        ledger.backup(tmp_path / "copy.sqlite3")
    with Ledger(tmp_path / "copy.sqlite3") as copy:
        assert copy.memories(ANA) == ledger.memories(ANA) != []
        assert copy.check() == []
    with pytest.raises(InvalidInputError, match="exists and is not overwritten"):
        ledger.backup(tmp_path / "copy.sqlite3")
    with pytest.raises(InvalidInputError, match="can't be written"):
        ledger.backup(tmp_path / "no" / "such" / "folder")


def test_erase_leaves_no_bytes(tmp_path: Path) -> None:
    path = tmp_path / "l.db"
    with Ledger(path) as ledger:
        told = say(ledger, "zebrafish turn", metadata={"note": "zebrafish metadata"})
        key = add(ledger, "zebrafish memory", told_by=told, said=Span(0, 9, "a zebrafish?"))
        change(ledger, Event.UPDATE, key, "zebrafish update")
        change(ledger, Event.DELETE, key)
        ledger.cache_vectors("e", {"zebrafish": [1.0]})
        seen = ledger.changed_since("i")[2]
        gone = ledger.erase()
        assert (gone["turns"], gone["memories"], gone["operations"], gone["vectors"]) == (1, 1, 3, 1)
        assert ledger.erasure_is_unfinished()
        ledger.finish_erasure()
        assert not ledger.erasure_is_unfinished()
        assert set(ledger.changed_since("i")[0]) == {("memory", key), ("turn", told.id)}
        assert ledger.changed_since("i")[2] > seen  # the indexes are told
        assert not any(b"zebrafish" in file.read_bytes() for file in tmp_path.iterdir())
        assert set(ledger.counts().values()) == {0}
        assert ledger.lexical(ANA, "memory", "zebrafish", 5) == []
        add(ledger, "in Porto")
        assert texts(ledger.memories(ANA)) == ["in Porto"]
    assert not any(b"zebrafish" in file.read_bytes() for file in tmp_path.iterdir())


def test_erase_drops_vectors_of_questions(ledger: Ledger) -> None:
    add(ledger, "Yes, two", told_by=say(ledger, "Yes, two"), said=Span(0, 8, "A zebrafish?"))
    ledger.cache_vectors("e", {"A zebrafish?": [1.0], "of another user": [1.0]})
    assert ledger.erase("ana")["vectors"] == 1


@pytest.mark.usefixtures("synced")
@pytest.mark.parametrize(("durability", "synchronous"), [("full", 2), ("normal", 1)])
def test_durability_sets_synchronous_mode(tmp_path: Path, durability: Any, synchronous: int) -> None:
    with Ledger(tmp_path / "l.db", durability=durability) as ledger, ledger.database.reading() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == synchronous
    with pytest.raises(InvalidInputError, match="Pass 'full' or 'normal'"):
        Ledger(tmp_path / "l.db", durability="none")  # type: ignore[arg-type]
