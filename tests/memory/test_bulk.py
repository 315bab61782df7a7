"""Tests of adding the histories of many users."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support import MAY_8, tell

from langchain_memlora import MemLoRAMemory
from langchain_memlora.errors import EngineError, InvalidInputError

MakeMemory = Callable[..., MemLoRAMemory]


def conversation(user: str, *texts: str, **fields: Any) -> dict[str, Any]:
    said = [{"role": "user", "content": text} for text in texts]
    return {"user_id": user, "messages": said, "observed_at": MAY_8, "thread_id": texts[0], **fields}


def test_add_many_matches_single_adds(make_memory: MakeMemory) -> None:
    given = [conversation(user, f"I like tea number {n}") for n in range(3) for user in ("ana", "ben", "cem")]
    memory, counts = make_memory(), []
    done = memory.add_many(given, in_flight=2, progress=counts.append)
    assert (done.conversations, done.turns, done.operations, done.failed) == (9, 9, 9, 0)
    assert counts == list(range(1, 10))
    for user in ("ana", "ben", "cem"):
        updates = [operation.after for operation in memory.history(user_id=user)]
        assert updates == [f"User like tea number {n}" for n in range(3)]  # each supersedes the one before


def test_interrupted_add_many_resumes(make_memory: MakeMemory) -> None:
    given = [conversation("ana", f"I own cat {n}") for n in range(6)]

    def cut() -> Iterator[dict[str, Any]]:
        yield from given[:3]
        raise KeyboardInterrupt

    memory = make_memory()
    with pytest.raises(KeyboardInterrupt):
        memory.add_many(cut())
    done = memory.add_many(given)
    assert (done.conversations, done.turns, done.skipped) == (6, 3, 3)
    assert len(memory.history(user_id="ana")) == 6


def test_reading_ahead_is_bounded(make_memory: MakeMemory) -> None:
    read: list[int] = []
    gate = threading.Event()

    def many() -> Iterator[dict[str, Any]]:
        for number in range(50):
            read.append(number)
            if number == 4:
                gate.set()
            yield conversation(f"user {number}", "I like tea")

    def slow(prompt: str) -> str:
        assert gate.wait(10)  # all that may be in flight has been read
        ahead.append(len(read))
        return tell(prompt)

    ahead: list[int] = []
    assert make_memory(extraction=slow).add_many(many(), in_flight=4).conversations == 50
    assert ahead[0] == 5


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"user_id": "ana", "messages": "hi", "observed_at": None}, "observed_at"),
        ({"user_id": "ana", "messages": "hi", "observed_at": MAY_8, "mood": 1}, "mood"),
        ({"user_id": "*", "messages": "hi", "observed_at": MAY_8}, "user_id"),
        ({"messages": "hi"}, "user_id"),
        ("hi", "str"),
    ],
)
def test_invalid_conversation_is_reported_and_skipped(memory: MemLoRAMemory, bad: Any, words: str) -> None:
    done = memory.add_many([conversation("ana", "I like tea"), bad, conversation("ben", "I like milk")])
    assert (done.conversations, done.turns, done.failed) == (3, 2, 1)
    assert words in done.problems[1]


def test_engine_failure_stops_without_loss(make_memory: MakeMemory) -> None:
    def broken(prompt: str) -> str:
        raise EngineError("out of memory")

    memory = make_memory(extraction=broken)
    with pytest.raises(EngineError):
        memory.add_many([conversation("ana", "I like tea")])
    memory.close()
    again = make_memory()
    assert again.add_many([conversation("ana", "I like tea")]).skipped == 1
    assert [m.text for m in again.get_all(user_id="ana")] == ["User like tea"]


def test_in_flight_must_be_positive(memory: MemLoRAMemory) -> None:
    with pytest.raises(InvalidInputError, match="in_flight=0"):
        memory.add_many([], in_flight=0)
