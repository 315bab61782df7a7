"""Tests of the context text, its budget, order and dates."""

from __future__ import annotations

from datetime import datetime

from hypothesis import given, settings
from hypothesis import strategies as st
from support import ANA, MAY_8, MAY_15, turn

from langchain_memlora.retrieval import build_context
from langchain_memlora.types import Hit, Memory, Turn


def memory(text: str, at: datetime = MAY_8) -> Memory:
    return Memory(text, text, ANA, at, at, at)


def hit(text: str, at: datetime = MAY_8, *turns: Turn) -> Hit:
    return Hit(memory(text, at), turns, 1.0)


def test_empty_context_is_no_notes() -> None:
    assert build_context([]) == "(no notes)"


def test_days_are_sorted_with_their_messages() -> None:
    later, early = turn("I moved to Berlin", at=MAY_15), turn("I lived in Porto", speaker="Ana")
    hits = [hit("Lives in Berlin", MAY_15, later), hit("Lived in Porto", MAY_8, early), hit("Has a dog")]
    assert build_context(hits).splitlines() == [
        "8 May 2024",
        "- Lived in Porto",
        "Ana: I lived in Porto",
        "- Has a dog",
        "15 May 2024",
        "- Lives in Berlin",
        "user: I moved to Berlin",
    ]


def test_relative_dates_are_explained() -> None:
    text = build_context([hit("Was in Rome last Saturday", MAY_8, turn("back since\nyesterday"))])
    assert "- Was in Rome last Saturday (last Saturday = 4 May 2024)" in text
    assert "user: back since yesterday (yesterday = 7 May 2024)" in text


def test_replaced_message_is_marked() -> None:
    text = build_context([Hit(None, (turn("I live in Porto"),), 1.0, replaced_by="m")])
    assert text == "8 May 2024\nuser: I live in Porto (no longer so)"


def test_repeated_message_appears_once_a_day() -> None:
    told = turn("I ran 5 km")
    text = build_context(
        [hit("Runs", MAY_8, told), hit("Ran", MAY_8, told), Hit(None, (turn("I ran 5 km", at=MAY_15),), 1)]
    )
    assert text.count("user: I ran 5 km") == 2
    assert text.endswith("15 May 2024\nuser: I ran 5 km")


def test_long_messages_are_truncated() -> None:
    assert build_context([Hit(None, (turn("x" * 2000),), 1.0)]).endswith("x" * 360 + "...")


def test_best_hits_fill_budget() -> None:
    hits = [hit(f"{i} " + "x" * 78) for i in range(10)]
    text = build_context(hits, budget=100)
    assert [line[2] for line in text.splitlines()[1:]] == ["0", "1"]
    assert "- 0" in build_context(hits, budget=1)  # the best one always


def test_shorter_hits_fill_what_a_long_one_leaves() -> None:
    text = build_context([hit("Has a dog"), hit("x" * 300), hit("Has a cat")], budget=25)
    assert text.splitlines()[1:] == ["- Has a dog", "- Has a cat"]


@settings(max_examples=30)
@given(st.lists(st.text(min_size=1, max_size=50).filter(str.strip), max_size=12), st.integers(1, 100))
def test_budget_holds_except_for_best_hit(texts: list[str], budget: int) -> None:
    text = build_context([hit(t) for t in texts], budget=budget)
    assert len(text) <= max(4 * budget, 70) + len(texts) + len("8 May 2024\n")
