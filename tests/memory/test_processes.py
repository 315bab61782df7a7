"""Tests of one folder that several processes, and several memories of one process, use at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support import texts
from support.processes import errors_after_fork, slow_memory

from benchmarks.reliability import double
from benchmarks.reliability.peers import Peer, owns_store
from benchmarks.reliability.truth import files_with
from langchain_memlora import MemLoRAMemory
from langchain_memlora.errors import IndexMismatchError, StoreInUseError

Make = Callable[..., MemLoRAMemory]
CHROMA = pytest.mark.parametrize("backend", ["chroma"])
PLACES = ["User live in Porto", "User live in Berlin", "User live in Rome", "User live in Oslo"]


def found(peer: Any, words: str, user: str = "ana") -> list[str]:
    """Return the texts of the memories that a search finds."""
    return [hit.memory.text for hit in peer.search(words, user_id=user) if hit.memory]


@pytest.fixture
def peers(tmp_path: Path) -> Iterator[Callable[..., Peer]]:
    """Return a function that starts a process with a memory open on one folder."""
    started: list[Peer] = []

    def start(*options: Any) -> Peer:
        started.append(Peer(tmp_path / "home", *options))
        return started[-1]

    yield start
    for peer in started:
        peer.kill()


def test_processes_find_what_others_write(peers: Callable[..., Peer]) -> None:
    one, two = peers(), peers()
    one.add("I live in Porto", user_id="ana")
    two.add("I keep bees", user_id="ana")
    assert [peer.run(owns_store) for peer in (one, two)] == [True, False]
    for peer in (one, two):
        assert sorted(found(peer, "bees Porto")) == ["User keep bees", "User live in Porto"]
    old = one.get_all(user_id="ana")[0]
    two.update(old.id, "User live in Lisbon", user_id="ana")
    two.delete(one.get_all(user_id="ana")[1].id, user_id="ana")
    for peer in (one, two):
        assert found(peer, "bees Lisbon") == ["User live in Lisbon"]


def test_killed_owner_is_replaced(peers: Callable[..., Peer]) -> None:
    one, two = peers(), peers()
    one.add("I live in Porto", user_id="ana")
    two.add("I keep bees", user_id="ana")
    one.kill()
    assert found(two, "bees") == ["User keep bees", "User live in Porto"]
    assert two.run(owns_store)
    three = peers()
    three.add("I met Bruno", user_id="ana")
    two.close()
    assert found(three, "Bruno")[0] == "User met Bruno"
    assert three.run(owns_store)


def test_forgetting_in_any_process_erases_the_bytes(peers: Callable[..., Peer], tmp_path: Path) -> None:
    owner, other = peers(), peers()
    owner.add("I keep a secret-otter", user_id="ana")
    owner.add("I keep bees", user_id="ben")
    assert owner.run(owns_store)
    other.search("otter", user_id="ana")
    other.forget(user_id="ana")
    assert files_with("secret-otter", tmp_path / "home") == []
    assert found(owner, "otter") == []
    assert found(owner, "bees", "ben") == ["User keep bees"]


def test_messages_are_read_once_and_in_order(peers: Callable[..., Peer]) -> None:
    one, two = peers(slow_memory), peers(slow_memory)
    two.search("anything", user_id="ana")  # it is open before the work is queued
    for place in ("Porto", "Berlin", "Rome"):
        one.add(f"I live in {place}", user_id="ana", background=True)
    one.begin("flush")
    two.add("I live in Oslo", user_id="ana")
    one.result()
    assert [operation.after for operation in two.history(user_id="ana")] == PLACES
    assert texts(one.get_all(user_id="ana")) == PLACES[-1:]


def test_work_of_a_killed_process_is_done_by_another(peers: Callable[..., Peer]) -> None:
    one, two = peers(slow_memory), peers(slow_memory)
    two.search("anything", user_id="ana")
    for place in ("Porto", "Berlin", "Rome"):
        one.add(f"I live in {place}", user_id="ana", background=True)
    one.kill()
    assert two.flush().status == "ok"
    two.add("I live in Oslo", user_id="ana")
    assert [operation.after for operation in two.history(user_id="ana")] == PLACES


@CHROMA
def test_notebook_cell_runs_twice(make_memory: Make) -> None:
    first = make_memory()
    first.add("I live in Porto", user_id="ana")
    again = make_memory()
    again.add("I keep bees", user_id="ana")
    assert [owns_store(first), owns_store(again)] == [True, False]
    assert sorted(found(first, "bees Porto")) == sorted(found(again, "bees Porto"))
    assert len(found(again, "bees Porto")) == 2
    first.close()
    assert owns_store(again)
    assert len(found(again, "bees Porto")) == 2


@CHROMA
def test_rebuild_without_owning_the_store(make_memory: Make) -> None:
    owner, other = make_memory(), make_memory()
    owner.add("I live in Porto", user_id="ana")
    assert other.rebuild() > 0
    assert owner.search("Porto", user_id="ana")
    assert owner.services.index().waiting == 0


@CHROMA
def test_another_embedder_waits_for_the_others(make_memory: Make) -> None:
    owner = make_memory()
    owner.add("I live in Porto", user_id="ana")
    other = make_memory(embeddings=double.WordCounts())
    with pytest.raises(IndexMismatchError, match="original embedder"):
        other.search("Porto", user_id="ana")
    with pytest.raises(StoreInUseError, match="Close that one first"):
        other.rebuild()
    assert found(owner, "Porto") == ["User live in Porto"]


@CHROMA
def test_suspended_owner_is_named(make_memory: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, other = make_memory(), make_memory()
    owner.add("I live in Porto", user_id="ana")
    assert owns_store(owner)
    monkeypatch.setattr("langchain_memlora.indexes.shared.ANSWER_SECONDS", 0.2)
    monkeypatch.setattr("langchain_memlora.indexes.shared.SharedIndex._do_what_is_asked", lambda self: None)
    with pytest.raises(StoreInUseError, match="End that process if it hangs"):
        other.forget(user_id="ana")
    assert other.get_all(user_id="ana") == []


def test_busy_user_is_named(memory: MemLoRAMemory) -> None:
    with (
        memory.ledger.processing("ana"),
        pytest.raises(StoreInUseError, match="repeat the call"),
        memory.ledger.database.exclusive("messages of ana", seconds=0.05),
    ):
        pass


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_forked_child_is_told_what_to_do(peers: Callable[..., Peer], tmp_path: Path) -> None:
    parent = peers()
    parent.add("I live in Porto", user_id="ana")
    said = parent.run(errors_after_fork, tmp_path / "home")
    assert [words.split(" was opened")[0] for words in said] == [
        "This memory",
        "This ScriptedEngine",
        f"The ledger {tmp_path / 'home' / 'ledger.sqlite3'}",
    ]
    assert all("Open the memory after the fork" in words for words in said)
    parent.add("I keep bees", user_id="ana")
    assert parent.run(owns_store)
    other = peers()
    assert sorted(found(other, "bees Porto")) == ["User keep bees", "User live in Porto"]
    assert not other.run(owns_store)
