"""Tests of full-text search."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support import ANA, BEN, add, change, say

from langchain_memlora.ledger import Ledger
from langchain_memlora.types import Event


@settings(max_examples=150)
@example("_ __ \x00")
@example('" OR owner:* NEAR(a b) -x ^y {z}')
@example("AND OR NOT")
@example("\ud800")
@given(st.text(max_size=60))
def test_any_query_finds_only_own_memories(ledger: Ledger, query: str) -> None:
    if not ledger.memories(ANA):
        add(ledger, "and or not likes green tea 0 1 2 a e i")
        add(ledger, "and or not likes green tea 0 1 2 a e i", BEN)
    mine = {m.id for m in ledger.memories(ANA)}
    assert set(ledger.lexical(ANA, "memory", query, 10)) <= mine


@pytest.mark.parametrize(
    ("query", "hit"),
    [
        ("moves", True),  # stems
        ("What did Ana move?", True),
        ("a piano or a drum", True),  # any word is enough
        ("PIANO", True),
        ("did was the of", False),  # a memory without these words
        ("", False),
        ("?!", False),
        ("violin", False),
    ],
)
def test_query_words_match(ledger: Ledger, query: str, hit: bool) -> None:
    key = add(ledger, "Ana moved her piano")
    assert ledger.lexical(ANA, "memory", query, 5) == ([key] if hit else [])


def test_stop_words_are_ignored(ledger: Ledger) -> None:
    add(ledger, "she is at the sea with her dog")
    key = add(ledger, "Ana plays piano")
    assert ledger.lexical(ANA, "memory", "is she with the piano", 5) == [key]
    assert ledger.lexical(ANA, "memory", "is she", 5) != []


def test_best_match_first_and_limited(ledger: Ledger) -> None:
    one, both = add(ledger, "green grass"), add(ledger, "green tea")
    assert ledger.lexical(ANA, "memory", "green tea", 5) == [both, one]
    assert ledger.lexical(ANA, "memory", "green tea", 1) == [both]


def test_kinds_and_users_are_separate(ledger: Ledger) -> None:
    key, said = add(ledger, "green tea"), say(ledger, "green tea")
    add(ledger, "green tea", BEN)
    assert ledger.lexical(ANA, "memory", "tea", 5) == [key]
    assert ledger.lexical(ANA, "turn", "tea", 5) == [said.id]


def test_old_and_deleted_words_are_unfindable(ledger: Ledger) -> None:
    key = add(ledger, "lives in Porto")
    change(ledger, Event.UPDATE, key, "lives in Berlin")
    assert ledger.lexical(ANA, "memory", "Porto", 5) == []
    assert ledger.lexical(ANA, "memory", "Berlin", 5) == [key]
    change(ledger, Event.DELETE, key)
    assert ledger.lexical(ANA, "memory", "Berlin", 5) == []
    ledger.restore(ANA, key)
    assert ledger.lexical(ANA, "memory", "Berlin", 5) == [key]
