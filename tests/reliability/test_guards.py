"""Tests that switching off a guard of the storage breaks the promise it keeps."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from support import MAY_8, texts

from benchmarks.reliability import faults
from benchmarks.reliability.double import open_memory
from benchmarks.reliability.peers import owns_store
from benchmarks.reliability.truth import Deed, broken
from langchain_memlora import MemLoRAMemory
from langchain_memlora.indexes import sync
from langchain_memlora.indexes.chroma import ChromaIndex
from langchain_memlora.ledger import Ledger, NewOperation
from langchain_memlora.types import Operation, Scope

Make = Callable[..., MemLoRAMemory]


class Crash(BaseException):
    """Simulates the death of the process; nothing in the package catches it."""


def said(*texts: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text, "id": f"m{number}"} for number, text in enumerate(texts)]


def deed(*messages: str) -> Deed:
    return {"verb": "add", "user": "ana", "messages": list(messages), "acknowledged": True}


def crash_after(monkeypatch: pytest.MonkeyPatch, owner: type, name: str) -> None:
    real = getattr(owner, name)

    def crashing(*args: Any, **options: Any) -> Any:
        real(*args, **options)
        raise Crash

    monkeypatch.setattr(owner, name, crashing)


def crashed_in_commit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Die right after the operations were committed; open again and look."""
    memory = open_memory(folder)
    memory.warm()
    with monkeypatch.context() as patched:
        crash_after(patched, Ledger, "commit")
        with pytest.raises(Crash):
            memory.add(said("I keep bees"), user_id="ana")
    memory.close()
    with open_memory(folder) as again:
        return broken(again, [deed("m0")], ["ana"])


def test_jobs_close_with_their_operations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert crashed_in_commit(tmp_path / "on", monkeypatch) == []
    real = Ledger.commit

    def in_two_steps(
        self: Ledger, scope: Scope, batch: Sequence[NewOperation], *, done: Sequence[str] = (), **options: Any
    ) -> list[Operation]:
        return real(self, scope, batch, **options)  # the jobs are to be closed afterwards

    monkeypatch.setattr(Ledger, "commit", in_two_steps)
    assert any("decided 2 times" in what for what in crashed_in_commit(tmp_path / "off", monkeypatch))


def test_index_is_marked_after_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crashed(folder: Path) -> list[str]:
        memory = open_memory(folder)
        first = [{"role": "user", "content": "I met Bruno", "id": "first"}]
        memory.add(first, user_id="ana")  # an empty index would be filled whole
        with monkeypatch.context() as patched:
            patched.setattr(ChromaIndex, "write", lambda *_: (_ for _ in ()).throw(Crash))
            with pytest.raises(Crash):
                memory.add(said("I keep bees"), user_id="ana")
        memory.close()
        with open_memory(folder) as again:
            return broken(again, [deed("first"), deed("m0")], ["ana"])

    assert crashed(tmp_path / "on") == []
    real = sync.changed_entries

    def marked_first(ledger: Ledger, changed: Any) -> Any:
        _, seen, seq = ledger.changed_since(sync.DEFAULT)
        ledger.mark_applied(sync.DEFAULT, seq, after=seen)
        return real(ledger, changed)

    monkeypatch.setattr(sync, "changed_entries", marked_first)
    assert any("index and ledger differ" in what for what in crashed(tmp_path / "off"))


def test_commit_compares_revisions(make_memory: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    meeting = threading.Barrier(2)

    def both_at_once(prompt: str) -> str:
        with contextlib.suppress(threading.BrokenBarrierError):
            meeting.wait(timeout=2)
        return "1 keep bees"

    def competed(folder: Path) -> list[str]:
        meeting.reset()
        memory = make_memory(path=folder, extraction=both_at_once)
        crew = [
            threading.Thread(
                target=lambda thread=thread: memory.add(
                    "I keep bees", user_id="ana", thread_id=thread, observed_at=MAY_8
                )
            )
            for thread in ("a", "b")
        ]
        for thread in crew:
            thread.start()
        for thread in crew:
            thread.join()
        return texts(memory.get_all(user_id="ana"))

    matched = threading.Barrier(2)
    real_commit = Ledger.commit

    def slow_commit(self: Ledger, *args: Any, **options: Any) -> list[Operation]:
        with contextlib.suppress(threading.BrokenBarrierError):
            matched.wait(timeout=2)  # both have matched before one commits
        return real_commit(self, *args, **options)

    monkeypatch.setattr(Ledger, "commit", slow_commit)
    monkeypatch.setattr(Ledger, "processing", lambda self, user_id: contextlib.nullcontext())  # a guard of its own
    assert competed(tmp_path / "on") == ["User keep bees"]
    matched.reset()
    monkeypatch.setattr(Ledger, "revision", lambda self, scope: None)
    assert competed(tmp_path / "off") == ["User keep bees"] * 2


def test_folder_is_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def owners(folder: Path) -> list[bool]:
        with open_memory(folder) as first, open_memory(folder) as second:
            return [owns_store(memory) for memory in (first, second)]

    assert owners(tmp_path / "on") == [True, False]
    monkeypatch.setattr("filelock.FileLock.acquire", lambda *_, **__: None)
    assert owners(tmp_path / "off") == [True, True]


def test_user_is_read_by_one_writer_at_a_time(
    make_memory: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    started = threading.Event()

    def slowly(prompt: str) -> str:
        read.append(prompt)
        started.set()
        time.sleep(0.3)
        return "1 keep bees"

    def prompts_read(folder: Path) -> int:
        read.clear()
        started.clear()
        first, second = (make_memory(path=folder, extraction=slowly) for _ in range(2))
        first.add("I keep bees", user_id="ana", background=True, thread_id="a")
        started.wait()
        second.add("I keep bees", user_id="ana", thread_id="b")
        first.flush()
        return len(read)

    assert prompts_read(tmp_path / "on") == 2
    monkeypatch.setattr(Ledger, "processing", lambda self, user_id: contextlib.nullcontext())
    assert prompts_read(tmp_path / "off") == 3


def test_damaged_index_is_rebuilt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "on").mkdir()
    assert faults.index_is_garbage(tmp_path / "on") == []
    (tmp_path / "off").mkdir()
    monkeypatch.setattr(ChromaIndex, "_open_or_recreate", ChromaIndex._open)
    with pytest.raises(Exception, match="damaged"):
        faults.index_is_garbage(tmp_path / "off")


def test_damage_is_checked_after_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "on").mkdir()
    assert faults.ledger_pages(tmp_path / "on") == []
    (tmp_path / "off").mkdir()
    monkeypatch.setattr("langchain_memlora.ledger.sqlite.copy_damaged", lambda path: None)
    assert faults.ledger_pages(tmp_path / "off") != []
