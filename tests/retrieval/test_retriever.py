"""Tests of retrieval, where facts are keys and turns are evidence."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from langchain_core.vectorstores import InMemoryVectorStore
from support import ANA, BEN, MAY_15, BagOfWords, add, change, say

from langchain_memlora.indexes import VectorStoreIndex
from langchain_memlora.indexes.sync import SyncedIndex
from langchain_memlora.ledger import Ledger
from langchain_memlora.retrieval import Retriever
from langchain_memlora.types import Event, Hit, Scope, Turn

Search = Callable[..., list[Hit]]
AGENT = Scope("ana", "coach")


@pytest.fixture
def retriever(ledger: Ledger) -> Retriever:
    synced = SyncedIndex(VectorStoreIndex(InMemoryVectorStore(BagOfWords())), ledger, "bag")
    return Retriever(ledger, lambda: synced)


def of(hits: list[Hit]) -> list[str]:
    return [hit.text for hit in hits]


def test_fact_brings_its_turn(ledger: Ledger, retriever: Retriever) -> None:
    told = say(ledger, "Finally got one, call her Luna!")
    key = add(ledger, "Ana adopted a puppy named Luna", told_by=told)
    for noise in ("I play chess", "We hiked all day", "Coffee again"):
        say(ledger, noise)
    best = retriever.search("Which puppy was adopted?", ANA)[0]
    assert best.memory
    assert best.memory.id == key
    assert best.turns == (told,)
    assert 0 < best.score <= 1


def test_include_selects_kinds(ledger: Ledger, retriever: Retriever) -> None:
    told, other = say(ledger, "green tea for me"), say(ledger, "green grass")
    add(ledger, "likes green tea", told_by=told)
    memories = retriever.search("green tea", ANA, include="memories")
    assert of(memories) == ["likes green tea"]
    assert memories[0].turns == (told,)
    turns = retriever.search("green tea", ANA, include="turns")
    assert of(turns) == [told.text, other.text]
    assert all(hit.memory is None for hit in turns)
    assert len(retriever.search("green tea", ANA, k=1)) == 1


def test_superseded_turn_ranks_below_replacement(ledger: Ledger, retriever: Retriever) -> None:
    old, new = say(ledger, "my home town is Porto"), say(ledger, "moved away to Berlin", at=MAY_15)
    key = add(ledger, "home town is Porto", told_by=old)
    change(ledger, Event.UPDATE, key, "lives in Berlin", told_by=new)
    hits = retriever.search("my home town is Porto", ANA)
    places = {hit.memory.id if hit.memory else hit.turns[0].id: i for i, hit in enumerate(hits)}
    assert places[key] < places[old.id]
    assert hits[places[old.id]].replaced_by == key
    (only,) = [hit for hit in retriever.search("home town Porto", ANA, include="turns") if hit.turns == (old,)]
    assert only.replaced_by == key


def test_withheld_turn_is_never_returned(ledger: Ledger, retriever: Retriever) -> None:
    told = say(ledger, "my pin is 1234")
    key = add(ledger, "pin is 1234", told_by=told)
    also = add(ledger, "Ana told her pin", told_by=told)
    change(ledger, Event.DELETE, key)
    for include in ("both", "memories", "turns"):
        hits = retriever.search("my pin is 1234", ANA, include=include)
        assert all(told not in hit.turns for hit in hits)
        assert key not in {hit.memory.id for hit in hits if hit.memory}
    assert [hit.memory.id for hit in retriever.search("pin", ANA, include="memories") if hit.memory] == [also]
    ledger.restore(ANA, key)
    assert told in retriever.search("my pin is 1234", ANA)[0].turns


def test_search_respects_scope(ledger: Ledger, retriever: Retriever) -> None:
    for scope in (ANA, AGENT, Scope("ana", "chef"), BEN):
        add(ledger, f"tea of {scope}", scope, say(ledger, f"tea for {scope}", scope))
    assert {hit.turns[0].scope for hit in retriever.search("tea", AGENT, k=20)} == {ANA, AGENT}
    assert {hit.turns[0].scope for hit in retriever.search("tea", BEN, k=20)} == {BEN}
    assert len({hit.text for hit in retriever.search("tea", ANA, k=20, include="turns")}) == 3
    assert [m.scope for m in retriever.candidates("tea", AGENT)] == [AGENT]


def test_filters_match_metadata(ledger: Ledger, retriever: Retriever) -> None:
    add(ledger, "tea at work", metadata={"where": "work"})
    add(ledger, "tea at home", metadata={"where": "home"})
    assert of(retriever.search("tea", ANA, filters={"where": "home"})) == ["tea at home"]
    assert retriever.search("tea", ANA, filters={"where": "home", "x": 1}) == []


def test_candidates_are_nearest_first(ledger: Ledger, retriever: Retriever) -> None:
    near, far = add(ledger, "lives in Porto"), add(ledger, "has a dog")
    assert [m.id for m in retriever.candidates("lives in Berlin", ANA)] == [near, far]
    assert [m.id for m in retriever.candidates("lives in Berlin", ANA, k=1)] == [near]
    change(ledger, Event.DELETE, near)
    assert [m.id for m in retriever.candidates("lives in Berlin", ANA)] == [far]


def test_candidates_exclude_other_speakers(ledger: Ledger, retriever: Retriever) -> None:
    turns = [
        Turn("", ANA, "user", f"{name} has a dog", MAY_15, speaker=name, message_id=name) for name in ("Joe", "Mia")
    ]
    (joes, mias), _ = ledger.append(ANA, turns, lambda new, before: [])
    joe, mia = add(ledger, "Joe has a dog", told_by=joes), add(ledger, "Mia has a dog", told_by=mias)
    by_hand = add(ledger, "Mia's dog is old")
    assert {m.id for m in retriever.candidates("Mia has a cat", ANA, speaker="Mia")} == {mia, by_hand}
    assert {m.id for m in retriever.candidates("has a cat", ANA)} == {joe, mia, by_hand}


def test_turn_above_its_memory_appears_once(ledger: Ledger, retriever: Retriever) -> None:
    told = say(ledger, "green tea")
    add(ledger, "likes green tea", told_by=told)
    hits = retriever.search("green tea", ANA)
    assert sum(told in hit.turns for hit in hits) == 1


def test_turn_of_replacing_memory_appears_once(ledger: Ledger, retriever: Retriever) -> None:
    old, new = say(ledger, "my home town is Porto"), say(ledger, "moved away from home town", at=MAY_15)
    key = add(ledger, "home town is Porto", told_by=old)
    change(ledger, Event.UPDATE, key, "lives in Berlin", told_by=new)
    hits = retriever.search("my home town is Porto", ANA)
    assert sum(new in hit.turns for hit in hits) == 1


def test_search_returns_k_hits(ledger: Ledger, retriever: Retriever) -> None:
    for number in range(70):
        add(ledger, f"likes tea number {number}")
    assert len(retriever.search("tea", ANA, k=70)) == 70
    assert len(retriever.search("tea", ANA, k=200)) == 70


def test_deep_search_finds_filtered_hits(ledger: Ledger, retriever: Retriever) -> None:
    for number in range(70):
        add(ledger, f"likes tea number {number}", scope=Scope("ana", "chef"))
    key = add(ledger, "likes coffee more than any tea in the world", scope=AGENT)
    assert [hit.memory.id for hit in retriever.search("likes tea number", AGENT) if hit.memory] == [key]
    assert retriever.search("likes tea number", AGENT, filters={"kind": "drink"}) == []
