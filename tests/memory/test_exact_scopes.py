"""Searches are exact within a scope and a filter, however much else the user has, on any store."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from support import MAY_8

from langchain_memlora import MemLoRAMemory
from langchain_memlora.errors import InvalidInputError
from langchain_memlora.types import Hit

Make = Callable[..., MemLoRAMemory]
ANA = {"user_id": "ana"}
STORES = pytest.mark.parametrize("backend", ["memory", "chroma"])
WORDS = "tea coffee milk green black cold warm sweet strong Porto Berlin Rome".split()


def found(hits: list[Hit]) -> list[str]:
    return [hit.text for hit in hits]


def notes(memory: MemLoRAMemory, texts: list[str], **options: Any) -> None:
    """Keep texts word for word."""
    memory.add([("user", text) for text in texts], **{**ANA, "infer": False, "observed_at": MAY_8, **options})


@STORES
def test_small_scope_in_a_large_history(memory: MemLoRAMemory) -> None:
    notes(memory, [f"green tea number {n}" for n in range(600)], agent_id="chef", run_id="sunday")
    notes(memory, ["black coffee", "strong milk"], agent_id="coach", run_id="monday", metadata={"week": 7})
    for options in ({"agent_id": "coach"}, {"run_id": "monday"}, {"filters": {"week": {"$gte": 7}}}):
        for include in ("both", "memories", "turns"):
            hits = memory.search("green tea number", **ANA, **options, include=include)  # type: ignore[arg-type]
            assert sorted(found(hits)) == ["black coffee", "strong milk"]
    assert len(memory.search("black coffee", **ANA, filters={"week": {"$ne": 7}}, k=600)) == 600


@STORES
def test_withheld_messages_crowd_nothing_out(memory: MemLoRAMemory) -> None:
    notes(memory, [f"green tea number {n}" for n in range(500)])
    memory.delete_all(**ANA)
    notes(memory, ["black coffee"])
    assert found(memory.search("green tea number", **ANA)) == ["black coffee"]


def test_candidates_are_of_the_writers_scope(memory: MemLoRAMemory) -> None:
    for run in range(40):
        memory.add("I am a vegetarian", **ANA, run_id=f"run {run}", observed_at=MAY_8)
    memory.add("I am a vegetarian", **ANA, run_id="mine", observed_at=MAY_8)
    events = []
    for text in ("I am a vegetarian", "I am a vegan", "forget I am a vegan"):
        result = memory.add(text, **ANA, run_id="mine", thread_id=text, observed_at=MAY_8)
        events += [operation.event.value for operation in result.operations]
    assert events == ["NONE", "UPDATE", "DELETE"]
    assert len(memory.get_all(**ANA)) == 40


def test_fact_belongs_to_every_session_that_stated_it(memory: MemLoRAMemory) -> None:
    for session in ("A", "B"):
        memory.add("I like tea", **ANA, thread_id=session, metadata={"session": session}, observed_at=MAY_8)
    memory.add("I like coffee", **ANA, metadata={"session": "A"}, observed_at=MAY_8)
    for session, expected in (("A", {"User like tea", "User like coffee"}), ("B", {"User like tea"})):
        hits = memory.search("like", **ANA, filters={"session": session}, include="memories")
        assert set(found(hits)) == expected
    assert memory.search("like", **ANA, filters={"$and": [{"session": "A"}, {"session": "B"}]}) == []


def test_superseding_memory_of_another_filter_is_no_hit(memory: MemLoRAMemory) -> None:
    memory.add("I live in Porto", **ANA, metadata={"year": 2023}, observed_at=MAY_8)
    memory.add("I live in Rome", **ANA, metadata={"year": 2024}, observed_at=MAY_8)
    (hit,) = memory.search("live", **ANA, filters={"year": 2023})
    assert (hit.text, hit.replaced_by) == ("I live in Porto", memory.get_all(**ANA)[0].id)


@pytest.mark.parametrize("value", [UUID(int=7), datetime(2024, 5, 8, tzinfo=UTC), ("a", 1), None], ids=repr)
def test_metadata_are_found_as_they_were_given(memory: MemLoRAMemory, value: Any) -> None:
    notes(memory, ["green tea"], metadata={"key": value})
    notes(memory, ["black tea"], metadata={"key": "other"})
    assert found(memory.search("tea", **ANA, filters={"key": value})) == ["green tea"]
    assert found(memory.search("tea", **ANA, filters={"key": {"$nin": [value]}})) == ["black tea"]


@pytest.mark.parametrize("filters", [{"user_id": "ben"}, {"n": {"$regex": "x"}}, {"OR": [{"n": 1}]}, "n=1"], ids=repr)
def test_unusable_filters_are_errors_at_every_door(memory: MemLoRAMemory, filters: Any) -> None:
    doors: list[Callable[[], Any]] = [
        lambda: memory.search("tea", **ANA, filters=filters),
        lambda: memory.answer("tea?", **ANA, filters=filters),
        lambda: memory.for_user("ana").search("tea", filters=filters),
        lambda: memory.as_tools(**ANA, filters=filters),
        lambda: memory.as_retriever(**ANA, filters=filters),
        lambda: memory.as_retriever(**ANA).invoke("tea", filters=filters),
    ]
    for door in doors:
        with pytest.raises(InvalidInputError, match="can't be used"):
            door()


def test_not_finite_metadata_are_refused(memory: MemLoRAMemory) -> None:
    with pytest.raises(InvalidInputError, match="not a finite number"):
        notes(memory, ["green tea"], metadata={"n": float("nan")})
    assert memory.get_all(**ANA) == []


def test_every_door_filters(memory: MemLoRAMemory) -> None:
    for week in (1, 2):
        notes(memory, [f"tea of week {week}"], metadata={"week": week})
    late = {"week": {"$gt": 1}}
    search = memory.as_tools(**ANA, filters=late)[0]
    told = search.invoke({"query": "tea"})
    assert "week 2" in told
    assert "week 1" not in told
    for documents in (
        memory.as_retriever(**ANA, filters=late).invoke("tea"),
        memory.as_retriever(**ANA).invoke("tea", filters=late),
    ):
        assert [document.page_content for document in documents] == ["tea of week 2"]
    assert found(memory.for_user("ana").search("tea", filters=late)) == ["tea of week 2"]
    context = memory.answer("tea?", **ANA, filters=late).context
    assert "week 2" in context
    assert "week 1" not in context


def test_messages_of_one_time_keep_their_order(memory: MemLoRAMemory) -> None:
    texts = [f"step {n} of the tea" for n in (3, 1, 4, 2, 5)]
    memory.add([("user", text) for text in texts], **ANA, infer=False, observed_at=MAY_8)
    for question in ("step 5", "step 2 tea"):
        context = memory.answer(question, **ANA).context
        assert sorted(texts, key=context.index) == texts


def oracle(said: list[tuple[str, dict[str, Any], datetime]], scope: Mapping[str, str], test: Any) -> set[str]:
    """Return what a search may find, from what was said."""
    return {
        text
        for text, options, _ in said
        if all(options.get(key) in (None, value) for key, value in scope.items()) and test(options["metadata"])
    }


FILTERS: list[tuple[dict[str, Any] | None, Callable[[dict[str, Any]], bool]]] = [
    (None, lambda m: True),
    ({"n": 3}, lambda m: m.get("n") == 3),
    ({"n": {"$gte": 2, "$lt": 5}}, lambda m: "n" in m and 2 <= m["n"] < 5),
    ({"n": {"$ne": 3}}, lambda m: m.get("n") != 3),
    ({"tag": {"$in": ["a", "b"]}}, lambda m: m.get("tag") in ("a", "b")),
    ({"tag": {"$nin": ["a", "b"]}}, lambda m: m.get("tag") not in ("a", "b")),
    ({"$or": [{"n": 1}, {"tag": "c"}]}, lambda m: m.get("n") == 1 or m.get("tag") == "c"),
    ({"$and": [{"n": {"$gt": 0}}, {"tag": "c"}]}, lambda m: m.get("n", 0) > 0 and m.get("tag") == "c"),
    ({"at": {"$lte": MAY_8}}, lambda m: "at" in m and m["at"] <= MAY_8),
    ({"n": 99}, lambda m: False),
]


@STORES
@pytest.mark.parametrize("seed", range(2))
def test_searches_find_what_brute_force_finds(memory: MemLoRAMemory, seed: int) -> None:
    rng = random.Random(seed)
    said = []
    for number in range(rng.choice([20, 90])):
        text = f"{number} {' '.join(rng.choices(WORDS, k=rng.randint(1, 5)))}"
        metadata: dict[str, Any] = {"n": rng.randint(0, 5)} if rng.random() < 0.8 else {}
        metadata |= rng.choice([{}, {"tag": rng.choice("abcd")}, {"at": MAY_8 + timedelta(hours=rng.randint(-9, 9))}])
        owner = {"agent_id": rng.choice([None, "coach", "chef"]), "run_id": rng.choice([None, None, "1", "2"])}
        options = {key: value for key, value in owner.items() if value} | {"metadata": metadata}
        said.append((text, options, MAY_8))
        notes(memory, [text], **options)
    for filters, test in FILTERS:
        scope = rng.choice(
            [{}, {"agent_id": "coach"}, {"run_id": "1"}, {"agent_id": "chef", "run_id": "2"}, {"run_id": "9"}]
        )
        allowed = oracle(said, scope, test)
        query = " ".join(rng.choices(WORDS, k=3))
        for include in ("both", "memories", "turns"):
            hits = memory.search(query, **ANA, **scope, filters=filters, k=200, include=include)  # type: ignore[arg-type]
            assert sorted(found(hits)) == sorted(allowed)
            few = memory.search(query, **ANA, **scope, filters=filters, k=4, include=include)  # type: ignore[arg-type]
            assert len(few) == min(4, len(allowed))
            assert set(found(few)) <= allowed
