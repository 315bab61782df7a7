"""Tests of the migration from mem0's files."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import chromadb
import pytest
from chromadb.config import Settings
from typer.testing import CliRunner

from langchain_memlora import MemLoRAMemory
from langchain_memlora.cli.app import app
from langchain_memlora.cli.setting import Setting
from langchain_memlora.errors import InvalidInputError, MissingUserError
from langchain_memlora.integrations.migrate import migrate_mem0, read_mem0
from langchain_memlora.types import Event

MakeMemory = Callable[..., MemLoRAMemory]
DDL = """CREATE TABLE history (id TEXT PRIMARY KEY, memory_id TEXT, old_memory TEXT, new_memory TEXT, event TEXT,
         created_at DATETIME, updated_at DATETIME, is_deleted INTEGER, actor_id TEXT, role TEXT)"""
TEA, CITY, GONE, BENS = "a1-tea", "a2-city", "a3-gone", "b1-ben"
MARCH, MAY, JULY = "2024-03-04T10:00:00+00:00", "2024-05-06T10:00:00", "2024-07-01T01:30:00-07:00"
EVENTS = [  # memory, before, after, event, created, updated
    (TEA, None, "Likes green tea", "ADD", MARCH, None),
    (CITY, None, "Lives in Porto", "ADD", MARCH, None),
    (CITY, "Lives in Porto", "Moved to Berlin last week", "UPDATE", MARCH, MAY),
    (GONE, None, "Has a boat", "ADD", MARCH, None),
    (GONE, "Has a boat", None, "DELETE", None, None),
    (BENS, None, "Lives in Oslo", "ADD", MARCH, None),
]
PAYLOADS = {
    TEA: {"data": "Likes green tea", "user_id": "ana", "agent_id": "chef", "created_at": MARCH, "topic": "drinks"},
    CITY: {
        "data": "Moved to Berlin last week",
        "user_id": "ana",
        "created_at": MARCH,
        "updated_at": MAY,
        "hash": "d41d",
    },
    BENS: {"data": "Lives in Oslo", "user_id": "ben", "created_at": MARCH},
}


def write_history(path: Path, events: list[tuple[Any, ...]]) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(DDL)
        for number, (memory, before, after, event, created, updated) in enumerate(events):
            row = (str(number), memory, before, after, event, created, updated, int(event == "DELETE"), None, "user")
            connection.execute("INSERT INTO history VALUES (?,?,?,?,?,?,?,?,?,?)", row)


def write_chroma(folder: Path, payloads: dict[str, dict[str, Any]]) -> None:
    client = chromadb.PersistentClient(str(folder), Settings(anonymized_telemetry=False))
    store = client.get_or_create_collection("mem0", embedding_function=None)
    store.upsert(ids=list(payloads), embeddings=[[1.0, 0.0]] * len(payloads), metadatas=list(payloads.values()))
    client.close()


@pytest.fixture
def mem0(tmp_path: Path) -> Path:
    folder = tmp_path / "mem0"
    folder.mkdir()
    write_history(folder / "history.db", EVENTS)
    write_chroma(folder / "db", PAYLOADS)
    return folder


def test_migration_keeps_texts_dates_and_scopes(make_memory: MakeMemory, mem0: Path) -> None:
    memory = make_memory()
    done = migrate_mem0(memory, mem0, user_id="ana")
    assert (done.memories, done.updated, done.unchanged, done.others, done.unreadable) == (2, 0, 0, 1, ())
    tea, city = sorted(memory.get_all(user_id="ana"), key=lambda m: m.text)
    assert (tea.text, tea.scope.agent_id) == ("Likes green tea", "chef")
    assert tea.metadata == {"topic": "drinks", "source": "mem0", "mem0_id": TEA}
    assert (city.text, city.observed_at) == ("Moved to Berlin last week", datetime(2024, 5, 6, 10, tzinfo=UTC))
    assert [(o.event, o.after, o.by) for o in memory.history(city.id, user_id="ana")] == [
        (Event.ADD, "Lives in Porto", "migrate"),
        (Event.UPDATE, "Moved to Berlin last week", "migrate"),
    ]
    assert {(m.form, m.said) for m in (tea, city)} == {("given", None)}
    assert not memory.get_all(user_id="ben")


def test_migrated_memories_are_searchable_and_undoable(make_memory: MakeMemory, mem0: Path) -> None:
    memory = make_memory()
    migrate_mem0(memory, mem0, user_id="ana")
    found = memory.search("green tea", user_id="ana")[0]
    assert found.memory
    assert found.memory.text == "Likes green tea"
    city = next(m for m in memory.get_all(user_id="ana") if "Berlin" in m.text)
    memory.restore(city.id, user_id="ana")
    restored = memory.get(city.id, user_id="ana")
    assert (restored.text, restored.observed_at.date().isoformat()) == ("Lives in Porto", "2024-03-04")


def test_repeated_migration_adds_only_changes(make_memory: MakeMemory, mem0: Path) -> None:
    memory = make_memory()
    migrate_mem0(memory, mem0, user_id="ana")
    write_chroma(mem0 / "db", {TEA: PAYLOADS[TEA] | {"data": "Likes mint tea", "updated_at": JULY}})
    done = migrate_mem0(memory, mem0, user_id="ana")
    assert (done.memories, done.updated, done.unchanged) == (0, 1, 1)
    tea = next(m for m in memory.get_all(user_id="ana") if "tea" in m.text)
    assert (tea.text, tea.observed_at) == ("Likes mint tea", datetime(2024, 7, 1, 8, 30, tzinfo=UTC))
    before = memory.history(user_id="ana")
    migrate_mem0(memory, mem0, user_id="ana")
    assert memory.history(user_id="ana") == before


def test_one_store_migrates_to_two_users(make_memory: MakeMemory, mem0: Path) -> None:
    memory = make_memory()
    migrate_mem0(memory, mem0, user_id="ana")
    migrate_mem0(memory, mem0, user_id="anna", mem0_user="ana")
    assert len(memory.get_all(user_id="anna")) == len(memory.get_all(user_id="ana")) == 2


def test_history_alone_requires_single_user(make_memory: MakeMemory, mem0: Path) -> None:
    memory = make_memory()
    alone = mem0.parent / "alone"
    alone.mkdir()
    (mem0 / "history.db").rename(alone / "history.db")
    with pytest.raises(InvalidInputError, match="--single-user"):
        migrate_mem0(memory, alone, user_id="ana")
    done = migrate_mem0(memory, alone / "history.db", user_id="ana", single_user=True)
    assert done.memories == 3
    assert "Has a boat" not in {m.text for m in memory.get_all(user_id="ana")}


def test_chroma_alone_has_no_earlier_texts(make_memory: MakeMemory, mem0: Path) -> None:
    memory = make_memory()
    done = migrate_mem0(memory, mem0 / "db", user_id="ana")
    assert done.memories == 2
    assert [o.event for o in memory.history(user_id="ana")] == [Event.ADD, Event.ADD]


def test_migration_does_not_modify_mem0(mem0: Path) -> None:
    def state() -> dict[str, bytes]:
        return {str(file): file.read_bytes() for file in sorted(mem0.rglob("*")) if file.is_file()}

    before = state()
    assert {each.id for each in read_mem0(mem0)} == {TEA, CITY, BENS}
    assert state() == before


def test_invalid_text_is_reported_and_skipped(make_memory: MakeMemory, mem0: Path) -> None:
    memory = make_memory()
    write_chroma(mem0 / "db", {"a9": {"data": " ", "user_id": "ana"}, "a8": {"data": "x" * 60_000, "user_id": "ana"}})
    done = migrate_mem0(memory, mem0, user_id="ana")
    assert done.memories == 2
    assert [why.split("=")[0].split(" has")[0] for why in sorted(done.unreadable)] == ["memory a8", "memory a9"]


@pytest.mark.parametrize(
    ("change", "options", "says"),
    [
        (lambda folder: (folder / "history.db").write_bytes(b"x" * 5000), {}, "can't be read as a history"),
        (lambda folder: None, {"collection": "other"}, r"It has mem0; pass --collection"),
        (lambda folder: None, {"mem0_user": "eve"}, "'ana', 'ben'"),
        (lambda folder: write_chroma(folder / "db2", PAYLOADS), {}, "more than one store"),
    ],
)
def test_invalid_source_raises(
    make_memory: MakeMemory, mem0: Path, change: Callable[[Path], Any], options: dict[str, Any], says: str
) -> None:
    change(mem0)
    with pytest.raises(InvalidInputError, match=says):
        migrate_mem0(make_memory(), mem0, user_id="ana", **options)


def test_missing_user_and_empty_folder_raise(make_memory: MakeMemory, tmp_path: Path) -> None:
    with pytest.raises(MissingUserError):
        migrate_mem0(make_memory(), tmp_path, user_id=" ")
    with pytest.raises(InvalidInputError, match="holds neither"):
        migrate_mem0(make_memory(), tmp_path, user_id="ana")


def test_migrate_command(make_memory: MakeMemory, mem0: Path) -> None:
    def run(*words: str) -> str:
        setting = Setting(opener=lambda **_: make_memory())
        result = CliRunner().invoke(app, ["migrate", "mem0", str(mem0), *words], obj=setting)
        assert result.exit_code == 0, (result.output, result.exception)
        return result.output

    assert "2 memories imported" in run("--user", "ana")
    assert "1 belong to other users" in run("--user", "ana")
    assert '"memories": 1' in run("--user", "benjamin", "--mem0-user", "ben", "--json")
