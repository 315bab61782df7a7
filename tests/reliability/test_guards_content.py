"""Tests that switching off a guard of stored or shown text breaks the promise it keeps."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import MAY_8, texts

from benchmarks.reliability.double import open_memory
from benchmarks.reliability.truth import files_with
from langchain_memlora import MemLoRAMemory
from langchain_memlora.indexes.chroma import ChromaIndex
from langchain_memlora.indexes.sync import SyncedIndex
from langchain_memlora.ledger import Ledger, lexical
from langchain_memlora.ledger.sqlite import SQLiteDatabase

Make = Callable[..., MemLoRAMemory]
SECRET = "zebrafish"


def test_replayed_message_is_stored_once(make_memory: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def told_twice(folder: Path) -> int:
        memory = make_memory(path=folder)
        for _ in range(2):
            memory.add(["I keep bees"], user_id="ana", observed_at=MAY_8)
        return memory.ledger.counts()["turns"]

    assert told_twice(tmp_path / "on") == 1
    monkeypatch.setattr("langchain_memlora.intake.messages._derived_id", lambda *_: uuid.uuid4().hex)
    assert told_twice(tmp_path / "off") == 2


def test_deleted_memory_withholds_its_turns(memory: MemLoRAMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    key = memory.add("I own a zebrafish", user_id="ana").operations[0].memory_id
    memory.add([("assistant", "So you own a zebrafish")], user_id="ana")
    memory.delete(str(key), user_id="ana")
    assert memory.search(SECRET, user_id="ana") == []
    memory.restore(str(key), user_id="ana")
    monkeypatch.setattr("langchain_memlora.ledger.deletion._withhold", lambda *_: [])
    memory.delete(str(key), user_id="ana")
    assert len(memory.search(SECRET, user_id="ana", include="turns")) == 2


def test_hits_are_checked_against_ledger(memory: MemLoRAMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    key = memory.add("I own a zebrafish", user_id="ana").operations[0].memory_id
    monkeypatch.setattr(SyncedIndex, "catch_up", lambda self: 0)  # the index stays as it is
    memory.delete(str(key), user_id="ana")
    assert memory.search(SECRET, user_id="ana") == []
    real = Ledger.memories
    monkeypatch.setattr(Ledger, "memories", lambda *a, **k: real(*a, **{**k, "deleted": True}))
    assert texts([hit.memory for hit in memory.search(SECRET, user_id="ana") if hit.memory])


def test_update_candidates_stay_in_scope(memory: MemLoRAMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    memory.add("I live in Porto", user_id="ana", agent_id="coach")
    memory.add("I live in Rome", user_id="ana")
    assert texts(memory.get_all(user_id="ana")) == ["User live in Porto", "User live in Rome"]

    def of_any_scope(self: Any, fact: str, scope: Any, *, k: int, **_: Any) -> Any:
        return memory.ledger.memories(scope)[:k]

    monkeypatch.setattr(type(memory.services.retriever), "candidates", of_any_scope)
    with pytest.raises(LookupError, match="in the scope"):  # the second guard: the ledger refuses
        memory.add("I live in Paris", user_id="ana")


@pytest.mark.parametrize(
    ("owner", "guard", "off"),
    [
        (lexical, "optimize", lambda connection: None),
        (SQLiteDatabase, "shrink", lambda self: None),
        (ChromaIndex, "clear", lambda self: False),
    ],
    ids=["words are merged", "the file is rewritten", "the index is made anew"],
)
def test_erased_bytes_are_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: Any, guard: str, off: Any
) -> None:
    def forgotten(folder: Path) -> list[str]:
        with open_memory(folder) as memory:
            memory.add("I own a zebrafish", user_id="ana")
            memory.forget(user_id="ana")
            return files_with(SECRET, folder)

    assert forgotten(tmp_path / "on") == []
    monkeypatch.setattr(owner, guard, off)
    assert forgotten(tmp_path / "off")


def test_pending_jobs_run_after_reopening(make_memory: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def reopened(folder: Path) -> list[str]:
        def down(prompt: str) -> str:
            raise ConnectionError("no model today")

        failing = make_memory(path=folder, extraction=down)
        with pytest.raises(Exception, match="no model today"):
            failing.add("I keep bees", user_id="ana")
        failing.close()
        again = make_memory(path=folder)
        again.flush()
        return texts(again.get_all(user_id="ana"))

    assert reopened(tmp_path / "on") == ["User keep bees"]
    real = Ledger.jobs

    def without_pending(ledger: Ledger, *states: Any, **scope: Any) -> list[Any]:
        return [] if states == ("pending",) else real(ledger, *states, **scope)

    monkeypatch.setattr(Ledger, "jobs", without_pending)
    assert reopened(tmp_path / "off") == []
