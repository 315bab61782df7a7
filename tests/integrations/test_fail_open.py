"""Tests of the circuit breaker that pauses calls to a failing memory."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest
from langgraph.errors import GraphInterrupt

from langchain_memlora.integrations import fail_open
from langchain_memlora.integrations.fail_open import FAILURES, FailOpen


class Clock:
    """A clock that tests advance."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(fail_open, "time", made)
    return made


class Memory:
    """Counts its calls, and fails while it is down."""

    def __init__(self) -> None:
        self.calls, self.down = 0, True

    def recall(self) -> str:
        self.calls += 1
        if self.down:
            raise OSError("no such host")
        return "Porto"


def sync(door: FailOpen, work: Callable[[], str]) -> str:
    return door.run(work, "")


def on_a_loop(door: FailOpen, work: Callable[[], str]) -> str:
    return asyncio.run(door.arun(work, ""))


@pytest.mark.parametrize("ask", [sync, on_a_loop])
def test_breaker_pauses_after_failures(clock: Clock, ask: Callable[[FailOpen, Callable[[], str]], str]) -> None:
    memory, door = Memory(), FailOpen("recall", rest=30)
    assert [ask(door, memory.recall) for _ in range(FAILURES + 5)] == [""] * (FAILURES + 5)
    assert memory.calls == FAILURES
    clock.now += 31
    ask(door, memory.recall)
    ask(door, memory.recall)
    assert memory.calls == FAILURES + 1  # still down: it rests again
    clock.now += 31
    memory.down = False
    assert [ask(door, memory.recall) for _ in range(3)] == ["Porto"] * 3


def test_breaker_without_rest_always_calls() -> None:
    memory, door = Memory(), FailOpen("remember")
    for _ in range(FAILURES + 5):
        door.run(memory.recall, "")
    assert memory.calls == FAILURES + 5


def test_only_one_call_probes_after_rest(clock: Clock) -> None:
    memory, door = Memory(), FailOpen("recall", rest=30)
    for _ in range(FAILURES):
        door.run(memory.recall, "")
    clock.now += 31
    go_on, tried = threading.Event(), []
    slow = threading.Thread(target=lambda: door.run(lambda: tried.append(1) or str(go_on.wait(5)), ""))
    slow.start()
    while not tried:
        pass
    assert door.run(memory.recall, "resting") == "resting"
    go_on.set()
    slow.join()


def test_interrupt_is_not_a_failure(clock: Clock) -> None:
    door = FailOpen("recall", rest=30)

    def interrupt() -> str:
        raise GraphInterrupt

    for _ in range(FAILURES + 1):
        with pytest.raises(GraphInterrupt):
            door.run(interrupt, "")
