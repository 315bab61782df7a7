"""Tests of the checker that compares a memory with the journal of a killed process."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.reliability.double import open_memory
from benchmarks.reliability.life import Journal
from benchmarks.reliability.truth import broken
from langchain_memlora import MemLoRAMemory

ANA = "ana"


def say(memory: MemLoRAMemory, journal: Journal, key: str) -> None:
    number = journal.begin(verb="add", user=ANA, messages=[key])
    memory.add([{"role": "user", "content": f"I keep {key}", "id": key}], user_id=ANA)
    journal.done(number)


@pytest.mark.parametrize("happened", [True, False])
def test_checker_accepts_interrupted_erasure(tmp_path: Path, happened: bool) -> None:
    journal = Journal(tmp_path / "journal")
    with open_memory(tmp_path / "store") as memory:
        say(memory, journal, "bees")
        journal.begin(verb="forget", user=ANA)
        if happened:
            memory.forget(user_id=ANA)  # and is killed before it can say so
        assert broken(memory, journal.deeds, [ANA]) == []
        journal.settle(memory)
        say(memory, journal, "cats")
        assert broken(memory, Journal(tmp_path / "journal").deeds, [ANA]) == []


def test_checker_finds_lost_messages(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    with open_memory(tmp_path / "store") as memory:
        say(memory, journal, "bees")
        memory.forget(user_id=ANA)  # nobody asked for that
        say(memory, journal, "cats")
        assert any("missing" in what for what in broken(memory, journal.deeds, [ANA]))


def test_checker_finds_extra_vector(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    with open_memory(tmp_path / "store") as memory:
        say(memory, journal, "bees")
        memory.services.index().index.store.add_texts(["stray"], ids=["memory-stray"])  # type: ignore[attr-defined]
        assert any("index and ledger differ" in what for what in broken(memory, journal.deeds, [ANA]))
