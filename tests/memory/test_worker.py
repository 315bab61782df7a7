"""Tests of `add(..., background=True)` and `flush`."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

import pytest
from support import ANA, MAY_8, tell, texts

from langchain_memlora import MemLoRAMemory
from langchain_memlora.types import Scope

Make = Callable[..., MemLoRAMemory]


class Gate:
    """An extraction expert that waits until it is released."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.entered = threading.Event()

    def __call__(self, prompt: str) -> str:
        self.entered.set()
        assert self.open.wait(20)
        return tell(prompt)


@pytest.mark.parametrize("backend", ["memory", "chroma"])
def test_background_add_stores_turns_first(make_memory: Make) -> None:
    gate = Gate()
    memory = make_memory(extraction=gate)
    result = memory.add(["I live in Porto", "I like tea"], user_id="ana", observed_at=MAY_8, background=True)
    assert (result.status, len(result.turn_ids), result.operations) == ("pending", 2, ())
    assert texts(memory.ledger.all_turns(ANA)) == ["I live in Porto", "I like tea"]
    assert len(memory.ledger.jobs("pending")) == 1
    assert memory.flush(timeout=0.01).status == "pending"
    assert memory.get_all(user_id="ana") == []
    gate.open.set()
    done = memory.flush()
    assert (done.status, [op.after for op in done.operations]) == ("ok", ["User live in Porto", "User like tea"])
    assert texts(memory.get_all(user_id="ana")) == ["User live in Porto", "User like tea"]
    assert memory.search("Porto", user_id="ana")[0].memory
    assert memory.flush().operations == ()  # told once


def test_flush_returns_scopes(memory: MemLoRAMemory) -> None:
    memory.add("I live in Porto", user_id="ana", agent_id="guide", background=True)
    memory.add("I live in Berlin", user_id="ben", background=True)
    done = memory.flush().operations
    assert {operation.after: operation.scope for operation in done} == {
        "User live in Porto": Scope("ana", "guide"),
        "User live in Berlin": Scope("ben"),
    }
    assert set(done) == {*memory.history(user_id="ana", agent_id="guide"), *memory.history(user_id="ben")}


def test_background_add_without_new_work(memory: MemLoRAMemory) -> None:
    for expected in ("pending", "ok"):
        result = memory.add([("user", "I like tea")], user_id="ana", observed_at=MAY_8, background=True)
        assert result.status == expected
    assert memory.add([("system", "Be brief")], user_id="ana", background=True).skipped == (("", "role"),)
    assert memory.add("I like tea", user_id="ben", background=True, infer=False).status == "ok"


def test_background_order_is_kept(make_memory: Make) -> None:
    gate = Gate()
    memory = make_memory(extraction=gate)
    memory.add("I live in Porto", user_id="ana", background=True)
    other = threading.Thread(target=lambda: memory.add("I live in Berlin", user_id="ana"))
    other.start()
    gate.open.set()
    other.join()
    assert texts(memory.get_all(user_id="ana")) == ["User live in Berlin"]
    assert memory.history(user_id="ana")[0].after == "User live in Porto"


def test_delete_all_waits_for_queue(make_memory: Make) -> None:
    gate = Gate()
    memory = make_memory(extraction=gate)
    memory.add("I live in Porto", user_id="ana", background=True)
    threading.Timer(0.1, gate.open.set).start()
    assert len(memory.delete_all(user_id="ana")) == 1
    assert memory.get_all(user_id="ana") == []


def test_full_queue_blocks_add(make_memory: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("langchain_memlora.memory.writer.ROOM", 2)
    gate = Gate()
    memory = make_memory(extraction=gate)
    memory.add("I like thing0", user_id="ana", background=True)
    assert gate.entered.wait(20)  # one in hand, so two may wait
    returned: list[int] = []

    def talk() -> None:
        for number in range(1, 5):
            memory.add(f"I like thing{number}", user_id="ana", background=True)
            returned.append(number)

    talker = threading.Thread(target=talk)
    talker.start()
    deadline = time.monotonic() + 20
    while len(memory.ledger.jobs("pending")) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)
    assert returned == [1, 2]
    assert len(memory.ledger.all_turns(ANA)) == 4  # the third waits for room, and is already on disk
    gate.open.set()
    talker.join()
    memory.flush()
    assert texts(memory.get_all(user_id="ana")) == [f"User like thing{i}" for i in range(5)]


def test_background_error_stays_on_job(make_memory: Make) -> None:
    sound = False

    def sometimes(prompt: str) -> str:
        if not sound:
            raise RuntimeError("out of memory")
        return tell(prompt)

    memory = make_memory(extraction=sometimes)
    memory.add("I like tea", user_id="ana", background=True)
    done = memory.flush()
    assert (done.status, done.errors[0].kind) == ("failed", "EngineError")
    (job,) = memory.ledger.jobs("pending")
    assert "out of memory" in str(job.error)
    sound = True
    assert memory.add("I like cake", user_id="ana", background=True).status == "pending"
    assert memory.flush().status == "ok"
    assert texts(memory.get_all(user_id="ana")) == ["User like cake"]
    assert memory.retry().status == "ok"
    assert sorted(texts(memory.get_all(user_id="ana"))) == ["User like cake", "User like tea"]


def test_close_leaves_rest_for_next_open(make_memory: Make) -> None:
    gate = Gate()
    memory = make_memory(extraction=gate)
    for number in range(20):
        memory.add(f"I like thing{number}", user_id=f"user{number}", background=True)
    assert gate.entered.wait(20)
    threading.Timer(0.1, gate.open.set).start()
    memory.close()
    again = make_memory()
    left = len(again.ledger.jobs("pending"))
    assert 0 < left < 20
    assert len(again.flush().operations) == left
    for number in range(20):
        assert texts(again.get_all(user_id=f"user{number}")) == [f"User like thing{number}"]
    assert again.ledger.jobs("pending", "failed") == []


async def test_async_background_adds(memory: MemLoRAMemory) -> None:
    results = await asyncio.gather(*(memory.aadd(f"I like tea{i}", user_id="ana", background=True) for i in range(30)))
    assert {result.status for result in results} == {"pending"}
    assert len((await memory.aflush()).operations) == 30
