"""Exact search among the ledger's vectors, against brute force, while the ledger changes."""

from __future__ import annotations

import random

import numpy as np
import pytest
from support import BEN, BagOfWords, add, change, say

from langchain_memlora.indexes.base import Kind
from langchain_memlora.indexes.embeddings import CachedEmbeddings
from langchain_memlora.indexes.exact import LedgerVectors
from langchain_memlora.ledger import Ledger
from langchain_memlora.types import Event, Scope

WORDS = "tea coffee milk green black cold warm sweet strong Porto Berlin".split()


def cached(ledger: Ledger) -> CachedEmbeddings:
    return CachedEmbeddings(BagOfWords, "bag", ledger)


@pytest.fixture
def vectors(ledger: Ledger) -> LedgerVectors:
    return LedgerVectors(ledger, cached(ledger))


def nearest(vectors: LedgerVectors, query: str, kind: Kind = Kind.MEMORY, k: int = 100, **options: object) -> list[str]:
    found = vectors.nearest_each(query, "ana", [kind], k, **options)  # type: ignore[arg-type]
    assert found is not None
    return found[0]


def distance(query: str, text: str) -> float:
    question, vector = map(np.asarray, BagOfWords().embed_documents([query, text]))
    return -float(question @ vector)


@pytest.mark.parametrize("seed", range(5))
def test_ranks_as_brute_force_while_the_ledger_changes(ledger: Ledger, vectors: LedgerVectors, seed: int) -> None:
    rng = random.Random(seed)
    held: dict[str, str] = {}
    for _ in range(40):
        text = " ".join(rng.choices(WORDS, k=4))
        match rng.choice(["add", "add", "update", "delete", "other"]):
            case "add":
                held[add(ledger, text)] = text
            case "other":
                add(ledger, text, BEN)
            case "update" if held:
                changed = rng.choice(list(held))
                change(ledger, Event.UPDATE, changed, text)
                held[changed] = text
            case "delete" if held:
                change(ledger, Event.DELETE, rng.choice(list(held)))
                left = {
                    memory.id for memory in ledger.memories(Scope("ana"))
                }  # what repeats the deleted text goes, too
                held = {key: text for key, text in held.items() if key in left}
        query = " ".join(rng.choices(WORDS, k=2))
        allowed = [key for key in held if rng.random() < 0.5]
        for among, expected in ((None, list(held)), ({Kind.MEMORY: [*allowed, "unknown"]}, allowed)):
            found = nearest(vectors, query, among=among)
            assert sorted(found) == sorted(expected)
            distances = [distance(query, held[key]) for key in found]
            assert distances == pytest.approx(sorted(distances), abs=1e-5)
            assert nearest(vectors, query, among=among, k=3) == found[:3]


def test_turns_and_windows_are_found(ledger: Ledger, vectors: LedgerVectors) -> None:
    first, second = say(ledger, "green tea"), say(ledger, "in Porto")
    alone = say(ledger, "in Berlin", Scope("ana", "coach"))
    assert nearest(vectors, "Porto", Kind.TURN, k=1) == [second.id]
    assert nearest(vectors, "green tea Porto", Kind.WINDOW, k=1) == [second.id]
    assert {first.id, second.id, alone.id} == {*nearest(vectors, "tea", Kind.WINDOW)}


def test_another_process_sees_changes_at_once(ledger: Ledger, vectors: LedgerVectors) -> None:
    add(ledger, "green tea")
    assert len(nearest(vectors, "tea")) == 1
    with Ledger(ledger.database.path) as other:  # type: ignore[arg-type]
        coffee = add(other, "black coffee")
    assert nearest(vectors, "coffee", k=1) == [coffee]
    ledger.erase("ana")
    assert nearest(vectors, "coffee") == []


def test_vectors_are_read_from_the_ledger(ledger: Ledger) -> None:
    real = BagOfWords()
    add(ledger, "green tea")
    embeddings = CachedEmbeddings(lambda: real, "bag", ledger)
    embeddings.embed_documents(["green tea"])
    add(ledger, "black coffee")
    vectors = LedgerVectors(ledger, embeddings)
    assert vectors.nearest_each("tea", "ana", [Kind.MEMORY], 5, compute=0) is None
    assert len(nearest(vectors, "tea", compute=1)) == 2
    assert len(nearest(vectors, "tea", compute=0)) == 2
    assert real.embedded == ["green tea", "tea", "black coffee"]


def test_ram_is_bounded(ledger: Ledger) -> None:
    for user in ("ana", "ben", "eve"):
        add(ledger, f"tea of {user}", Scope(user))
    vectors = LedgerVectors(ledger, cached(ledger), megabytes=0)
    for user in ("ana", "ben", "eve", "ana"):
        assert vectors.nearest_each("tea", user, [Kind.MEMORY], 5) == [[ledger.memories(Scope(user))[0].id]]
    assert len(vectors._users) == 1
