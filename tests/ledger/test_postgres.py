"""Tests of the ledger on PostgreSQL, with other processes, lost connections and missing rights."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import ANA, BEN, add, change, one_job, say, texts, turn
from support.servers import empty_database, free_port, plain

from langchain_memlora.errors import InvalidInputError, LedgerError, StoreInUseError
from langchain_memlora.ledger import Ledger, NewOperation, new_id
from langchain_memlora.types import Event, Span

pytestmark = pytest.mark.slow
EACH = 20


@pytest.fixture
def url(postgres_url: str) -> str:
    return empty_database(postgres_url, "one")


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    with Ledger(url) as opened:
        yield opened


@pytest.fixture
def server(url: str) -> Iterator[Any]:
    import psycopg

    with psycopg.connect(plain(url), autocommit=True) as connection:
        yield connection


def write(url: str, name: str) -> None:
    """Another process: it adds memories and says things in one thread that all share."""
    with Ledger(url) as ledger:
        for number in range(EACH):
            ledger.append(ANA, [turn(f"{name} {number}"), turn("all say this", "same")], one_job)
            ledger.commit(ANA, [NewOperation(Event.ADD, new_id(), f"{name} {number}")])


def test_one_writer_holds_a_users_place(url: str) -> None:
    with Ledger(url) as one, Ledger(url) as two:
        with one.processing("ana"):
            with two.processing("ben"):
                pass
            with (
                pytest.raises(StoreInUseError, match="repeat the call"),
                two.database.exclusive("messages of ana", 0.1),
            ):
                pass
        with two.processing("ana"):
            pass


def test_concurrent_processes_write(url: str) -> None:
    processes = [multiprocessing.get_context("spawn").Process(target=write, args=(url, name)) for name in "abc"]
    for process in processes:
        process.start()
    with Ledger(url) as ledger:
        seen: set[tuple[str, str]] = set()
        last = 0
        while any(process.is_alive() for process in processes) or ledger.waiting("index"):
            changed, after, seq = ledger.changed_since("index", limit=7)
            assert after == last  # an index that follows meanwhile misses nothing
            if changed:
                assert ledger.mark_applied("index", seq, after=after)
                seen |= set(changed)
                last = seq
        for process in processes:
            process.join()
            assert process.exitcode == 0
        assert len(ledger.memories(ANA)) == ledger.revision(ANA) == 3 * EACH
        assert len(ledger.all_turns(ANA)) == 3 * EACH + 1  # the message with the same id is there once
        assert len(seen) == 6 * EACH + 1


def test_idle_connection_loss_is_recovered(ledger: Ledger, server: Any) -> None:
    add(ledger, "in Porto")
    server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
    assert texts(ledger.memories(ANA)) == ["in Porto"]


def test_connection_lost_during_write_stores_nothing(ledger: Ledger, server: Any) -> None:
    def cut(new: object, before: object) -> list[Any]:
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        return [((), new)]

    with pytest.raises(LedgerError, match=r"nothing of this call was stored.*repeat the call"):
        ledger.append(ANA, [turn("tea")], cut)  # type: ignore[arg-type]
    assert ledger.all_turns(ANA) == []
    assert len(ledger.append(ANA, [turn("tea")], one_job)[1]) == 1


def test_unreachable_server_raises(url: str) -> None:
    nowhere = url.replace(url.rpartition(":")[2].partition("/")[0], str(free_port()))
    with pytest.raises(LedgerError, match="check that the server runs"):
        Ledger(nowhere)


def test_missing_rights_and_invalid_url_raise(url: str, server: Any) -> None:
    server.execute("DROP ROLE IF EXISTS guest")
    server.execute("CREATE ROLE guest LOGIN")
    with pytest.raises(LedgerError, match=r"permission denied.*grant the role CREATE") as error:
        Ledger(url.replace("memlora@", "guest:secret@"))
    assert "secret" not in str(error.value)
    with pytest.raises(LedgerError, match="create the database"):
        Ledger(url.rpartition("/")[0] + "/nowhere")
    with pytest.raises(InvalidInputError, match=r"Pass one like postgresql://"):
        Ledger("postgresql://host:no-port/x")


def test_newer_schema_raises(ledger: Ledger, url: str, server: Any) -> None:
    server.execute("UPDATE memlora.meta SET value = '99' WHERE key = 'schema'")
    with pytest.raises(LedgerError, match=r"schema 99.*Use the version that wrote it"):
        Ledger(url)


def test_version_2_ledger_is_migrated(ledger: Ledger, url: str, server: Any) -> None:
    how = "SELECT coalesce(array_to_string(reloptions, ','), '') FROM pg_class WHERE relname = 'lexical_by_word'"
    (new,) = server.execute(how).fetchone()
    samples = "SELECT attrelid::regclass::text, attstattarget FROM pg_attribute WHERE attname = 'said' ORDER BY 1"
    kept = server.execute(samples).fetchall()
    add(ledger, "drinks tea")
    add(ledger, "I keep bees", by="add")
    server.execute("ALTER INDEX memlora.lexical_by_word RESET (fastupdate)")
    for table in ("memories", "operations"):
        server.execute(f"ALTER TABLE memlora.{table} DROP COLUMN form, DROP COLUMN said")
    for table in ("turns", "memories"):
        server.execute(f"ALTER TABLE memlora.{table} DROP COLUMN utc_offset")
    server.execute("ALTER TABLE memlora.turns DROP COLUMN unread")
    server.execute("DROP TABLE memlora.withheld")
    server.execute("UPDATE memlora.meta SET value = '2' WHERE key = 'schema'")
    with Ledger(url) as again:
        assert server.execute(how).fetchone() == (new,) == ("fastupdate=off",)
        assert server.execute(samples).fetchall() == kept
        assert len(kept) == 2
        assert [(m.text, m.form) for m in again.memories(ANA)] == [("drinks tea", "unproven"), ("I keep bees", "given")]
        add(again, "likes jazz", form="said", said=Span(0, 4, "zebra\x00"), told_by=say(again, "jazz"))
        assert again.memories(ANA)[-1].said == Span(0, 4, "zebra\x00")


def test_sqlite_to_postgres_round_trip(ledger: Ledger, tmp_path: Path) -> None:
    with Ledger(tmp_path / "one.sqlite3") as file:
        told = say(file, "tea\x00\x1a and \x1a1", metadata={"n": "\x00"})
        change(file, Event.UPDATE, add(file, "drinks tea\x00", told_by=told), "drinks green tea")
        file.append(BEN, [turn("later", scope=BEN)], one_job)
        file.export(tmp_path / "one.jsonl")
    ledger.import_(tmp_path / "one.jsonl")
    ledger.export(tmp_path / "two.jsonl")
    assert (tmp_path / "two.jsonl").read_bytes() == (tmp_path / "one.jsonl").read_bytes()
    add(ledger, "counts on where the file ended")
    assert [operation.seq for operation in ledger.history(ANA)] == [1, 2, 3]


def test_backup_names_pg_dump(ledger: Ledger, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="pg_dump"):
        ledger.backup(tmp_path / "copy")


def test_erase_leaves_no_bytes_in_tables(ledger: Ledger, server: Any) -> None:
    for number in range(30):
        told = say(ledger, f"zebrafish turn {number}", metadata={"note": "zebrafish"})
        change(ledger, Event.UPDATE, add(ledger, "zebrafish", told_by=told), f"zebrafish {number}")
    add(ledger, "kept", BEN)
    server.execute("ANALYZE")
    server.execute("CHECKPOINT")
    folder = Path(server.execute("SHOW data_directory").fetchone()[0])
    assert holding(b"zebrafish", folder)
    ledger.erase("ana")
    ledger.finish_erasure()
    server.execute("CHECKPOINT")
    assert holding(b"zebrafish", folder) == []
    assert texts(ledger.memories(BEN)) == ["kept"]


def holding(secret: bytes, folder: Path) -> list[str]:
    """Files of the server in which some bytes stand, besides its log."""
    try:
        files = [file for file in folder.rglob("*") if file.is_file() and "pg_wal" not in file.parts]
        return [str(file) for file in files if secret in file.read_bytes()]
    except PermissionError:
        pytest.skip("the server's files can be read by root only")
