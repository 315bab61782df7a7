"""Tests that what was observed later holds, in whatever order it is added, as callers see it."""

from __future__ import annotations

import itertools
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.vectorstores import InMemoryVectorStore
from support import BagOfWords, judge, plain_bundle, tell

from langchain_memlora import MemLoRAMemory
from langchain_memlora.bundles import Bundle
from langchain_memlora.testing import ScriptedEngine
from langchain_memlora.types import AddResult

Make = Callable[..., MemLoRAMemory]
BERLIN, PORTO, ROME = "I live in Berlin", "I live in Porto", "I live in Rome"
FORGET_PORTO = "forget I live in Porto"
YEARS = {1: datetime(2021, 3, 1, tzinfo=UTC)} | {n: datetime(2020 + n, 3, 1, tzinfo=UTC) for n in range(2, 7)}


def add(memory: MemLoRAMemory, text: str, when: int) -> AddResult:
    """Add a message of its own conversation, said in a year."""
    return memory.add(text, user_id="ana", observed_at=YEARS[when], thread_id=f"{when} {text}")


def state(memory: MemLoRAMemory) -> list[tuple[str, int]]:
    """Return the active memories: texts, and the years they are from."""
    found = [(m.text.removeprefix("User "), m.observed_at.year - 2020) for m in memory.get_all(user_id="ana")]
    return sorted(found)


@contextmanager
def fresh(bundle: Bundle) -> Iterator[MemLoRAMemory]:
    with tempfile.TemporaryDirectory() as folder:
        engine = ScriptedEngine(extraction=tell, memory_update=judge, generation=lambda prompt: prompt)
        options = {"experts": bundle, "engine": engine, "reranker": None, "index": InMemoryVectorStore(BagOfWords())}
        with MemLoRAMemory(path=Path(folder), **options) as memory:  # type: ignore[arg-type]
            yield memory


def outcome(bundle: Bundle, history: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
    with fresh(bundle) as memory:
        for text, when in history:
            assert add(memory, text, when).status == "ok"
        return state(memory)


def test_older_news_becomes_history(memory: MemLoRAMemory) -> None:
    add(memory, BERLIN, 4)
    (operation,) = add(memory, PORTO, 1).operations
    assert state(memory) == [("live in Berlin", 4)]
    (berlin,) = memory.get_all(user_id="ana")
    assert (operation.memory_id, operation.event, operation.by) == (berlin.id, "NONE", "backfill")
    assert (operation.fact, operation.before, operation.after) == ("User live in Porto", berlin.text, berlin.text)
    assert memory.history(berlin.id, user_id="ana")[-1] == operation
    lines = memory.answer("Where do I live?", user_id="ana", k=20).context.splitlines()
    assert f"user: {PORTO} (no longer so)" in lines
    assert f"user: {BERLIN}" in lines
    assert next(hit for hit in memory.search(PORTO, user_id="ana") if not hit.memory).replaced_by == berlin.id


def test_older_news_is_withheld_with_its_memory(memory: MemLoRAMemory) -> None:
    add(memory, BERLIN, 4)
    add(memory, PORTO, 1)
    memory.delete(memory.get_all(user_id="ana")[0].id, user_id="ana")
    assert memory.search("live Porto Berlin", user_id="ana") == []


def test_callers_text_holds_from_the_call(memory: MemLoRAMemory) -> None:
    add(memory, BERLIN, 2)
    (berlin,) = memory.get_all(user_id="ana")
    memory.update(berlin.id, "User live in Bern", user_id="ana")
    add(memory, ROME, 4)
    add(memory, PORTO, 1)
    assert [m.text for m in memory.get_all(user_id="ana")] == ["User live in Bern"]


def test_older_repetition_dates_the_memory_back(memory: MemLoRAMemory) -> None:
    add(memory, BERLIN, 4)
    add(memory, BERLIN, 2)
    assert state(memory) == [("live in Berlin", 2)]
    (berlin,) = memory.get_all(user_id="ana")
    assert [turn.observed_at.year for turn in memory.turns(berlin.turn_ids, user_id="ana")] in (
        [2022, 2024],
        [2024, 2022],
    )
    assert memory.turns(berlin.turn_ids[:1], user_id="ana")[0].observed_at == YEARS[2]


def test_news_between_two_statements(memory: MemLoRAMemory) -> None:
    add(memory, PORTO, 1)
    add(memory, PORTO, 5)
    result = add(memory, BERLIN, 3)
    assert state(memory) == [("live in Porto", 5)]
    assert [(o.event, o.after) for o in result.operations] == [
        ("UPDATE", "User live in Berlin"),
        ("UPDATE", "User live in Porto"),
    ]
    (porto,) = memory.get_all(user_id="ana")
    assert memory.restore(porto.id, user_id="ana").after == "User live in Berlin"


def test_older_request_keeps_what_came_later(memory: MemLoRAMemory) -> None:
    add(memory, PORTO, 4)
    (operation,) = add(memory, FORGET_PORTO, 2).operations
    assert (operation.event, operation.memory_id) == ("NONE", None)
    assert state(memory) == [("live in Porto", 4)]
    assert memory.search("Porto", user_id="ana")[0].turns


def test_request_between_two_statements(memory: MemLoRAMemory) -> None:
    add(memory, PORTO, 1)
    add(memory, PORTO, 5)
    result = add(memory, FORGET_PORTO, 3)
    assert [operation.event for operation in result.operations] == ["DELETE", "ADD"]
    assert state(memory) == [("live in Porto", 5)]
    shown = {turn.observed_at for hit in memory.search("live in Porto", user_id="ana", k=20) for turn in hit.turns}
    assert shown == {YEARS[5]}


def test_fact_from_before_a_known_request_is_withheld(memory: MemLoRAMemory) -> None:
    add(memory, FORGET_PORTO, 3)
    result = add(memory, PORTO, 1)
    assert [operation.event for operation in result.operations] == ["ADD", "DELETE"]
    assert memory.search("Porto", user_id="ana") == []
    add(memory, PORTO, 5)
    assert state(memory) == [("live in Porto", 5)]
    memory.restore(result.operations[0].memory_id or "", user_id="ana")
    assert state(memory) == [("live in Porto", 1), ("live in Porto", 5)]


@pytest.mark.parametrize(
    "history",
    [
        [(PORTO, 1), (BERLIN, 3), (PORTO, 5)],
        [(PORTO, 1), (PORTO, 2), (BERLIN, 3), (BERLIN, 4)],
        [(PORTO, 1), (FORGET_PORTO, 2), (PORTO, 3)],
        [(PORTO, 1), (BERLIN, 2), (FORGET_PORTO, 3), (PORTO, 4)],
    ],
    ids=["back again", "repeated", "forgotten", "forgotten later"],
)
def test_order_of_adding_does_not_matter(bundle: Bundle, history: list[tuple[str, int]]) -> None:
    orders = random.Random(0).sample([*itertools.permutations(history)], 5)
    assert [outcome(bundle, order) for order in orders] == [outcome(bundle, history)] * 5


STATEMENTS = st.sampled_from([BERLIN, PORTO, ROME, "I like green tea", "I like black tea"])


@settings(max_examples=6)
@given(st.lists(STATEMENTS, min_size=2, max_size=6), st.randoms(use_true_random=False))
def test_any_order_gives_the_same_memories(texts: list[str], shuffle: random.Random) -> None:
    history = list(zip(texts, YEARS, strict=False))
    shuffled = [*history]
    shuffle.shuffle(shuffled)
    assert outcome(plain_bundle(), shuffled) == outcome(plain_bundle(), history)


def test_order_is_that_of_instants_not_of_clocks(memory: MemLoRAMemory) -> None:
    noon = datetime(2024, 3, 5, 12, tzinfo=UTC)
    late = noon.astimezone(timezone(timedelta(hours=9)))  # 21:00
    later = (noon + timedelta(hours=1)).astimezone(timezone(timedelta(hours=-8)))  # 5:00
    memory.add(BERLIN, user_id="ana", observed_at=later, thread_id="1")
    memory.add(PORTO, user_id="ana", observed_at=late, thread_id="2")
    assert [m.text for m in memory.get_all(user_id="ana")] == ["User live in Berlin"]
