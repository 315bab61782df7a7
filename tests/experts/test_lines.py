"""Tests of the compact dialect, with one fact a line and one closed question a pair."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import ANA, MAY_8, turn

from langchain_memlora.engines.base import Completion
from langchain_memlora.errors import ExpertOutputError
from langchain_memlora.experts import Line, Window, cut_windows
from langchain_memlora.experts.dialects import Lines, ParsedExtraction
from langchain_memlora.experts.dialects.lines import fact_row, read_fact
from langchain_memlora.types import Decision, Event, Fact, Memory

LINES = Lines()
SAID = [
    turn("Hello", role="assistant", id="t0"),
    turn("I moved", id="t1", speaker="Ana"),
    turn("Nice!", role="assistant", id="t2"),
    turn("I run", id="t3"),
]
WINDOW = cut_windows(SAID[1:], SAID[:1])[0]


def read(text: str, *, finished: bool = True) -> ParsedExtraction:
    return LINES.read_extraction([Completion(text, finished=finished)], WINDOW)


def test_prompt_numbers_sources_only() -> None:
    asked = LINES.ask_extraction(WINDOW)[0].slots["dialogue"]
    assert asked == "- assistant: Hello\n1 Ana: I moved\n- assistant: Nice!\n2 user: I run"


def test_rows_become_facts_about_writer() -> None:
    reading = read("1 moved to Berlin\n2 runs\n\n1 's dog is Rex\n1 moved to Berlin")
    assert [(fact.text, fact.turn_id) for fact in reading.facts] == [
        ("Ana moved to Berlin", "t1"),
        ("User runs", "t3"),
        ("Ana's dog is Rex", "t1"),
    ]
    assert reading.rejected == ()


def test_echoed_rows_are_dropped() -> None:
    echoes = read(
        "1 has a dog named Rex\n1 's dog is named Rex\n1 forget: dog named Rex\n2 has a dog named Rex\n1 has two dogs"
    )
    assert [(fact.text, fact.turn_id, fact.retracts) for fact in echoes.facts] == [
        ("Ana has a dog named Rex", "t1", False),
        ("Ana dog named Rex", "t1", True),
        ("User has a dog named Rex", "t3", False),
        ("Ana has two dogs", "t1", False),
    ]


def test_none_is_not_an_error() -> None:
    assert read("none") == read(" None \n") == ParsedExtraction((), ())


def test_row_can_retract() -> None:
    (fact,) = read("1 forget: lives in Porto").facts
    assert (fact.text, fact.retracts) == ("Ana lives in Porto", True)
    assert read_fact(fact_row(1, "likes tea", retracts=True)[2:], SAID[1]).retracts
    assert not read_fact(fact_row(1, "likes tea")[2:], SAID[1]).retracts


@pytest.mark.parametrize(
    "row",
    ["0 lives", "3 lives", "999 lives", "lives in Berlin", "1", "1. lives", "1lives", "- lives", "1 !!!", "1 forget:",
     "1 forget: ...", "one lives", "{}", "-1 lives"],
)  # fmt: skip
def test_invalid_row_keeps_valid_ones(row: str) -> None:
    reading = read(f"1 moved\n{row}\n2 runs")
    assert [fact.text for fact in reading.facts] == ["Ana moved", "User runs"]
    (error,) = reading.rejected
    assert isinstance(error, ExpertOutputError)
    assert row in str(error)
    assert "1, 2" in str(error)


def test_empty_output_is_error() -> None:
    for text in ("", " \n "):
        assert read(text).facts == ()
        assert len(read(text).rejected) == 1


def test_truncated_row_is_reported() -> None:
    reading = read("1 moved to Berlin\n2 runs ten", finished=False)
    assert [fact.text for fact in reading.facts] == ["Ana moved to Berlin"]
    assert "cut off" in str(reading.rejected[0])
    assert len(read("1 mov", finished=False).rejected) == 1


@given(
    st.text() | st.lists(st.from_regex(r"\d{0,3} ?(forget:)? ?\w{0,5}", fullmatch=True)).map("\n".join), st.booleans()
)
def test_any_text_is_parsed_or_rejected(text: str, finished: bool) -> None:
    reading = read(text, finished=finished)
    assert {fact.turn_id for fact in reading.facts} <= {"t1", "t3"}
    assert all(fact.text.startswith(("Ana", "User")) for fact in reading.facts)
    said_none = any(line.strip().lower() == "none" for line in text.splitlines())
    assert reading.facts or reading.rejected or said_none


def test_context_only_window_has_no_facts() -> None:
    window = Window((Line(SAID[0], "Hello", None),))
    assert LINES.read_extraction([Completion("1 said hello")], window).facts == ()


# -- update

FACT = Fact("Ana lives in Berlin", "t1", MAY_8)
OLD = [Memory(key, f"old {key}", ANA, MAY_8, MAY_8, MAY_8) for key in "abc"]


def decide(*pairs: tuple[float, float, float, float]) -> Decision:
    return LINES.read_update([Completion("", p) for p in pairs], FACT, OLD[: len(pairs)])


def test_candidates_share_labels() -> None:
    asks = LINES.ask_update(FACT, OLD)
    assert [ask.slots for ask in asks] == [{"old": m.text, "new": FACT.text} for m in OLD]
    assert {ask.choices for ask in asks} == {("ADD", "NONE", "UPDATE", "DELETE")}
    retraction = Fact("Ana lives in Porto", "t1", MAY_8, retracts=True)
    assert LINES.ask_update(retraction, OLD[:1])[0].slots["new"] == "forget that Ana lives in Porto"


def test_decision_defaults_to_add() -> None:
    assert decide((0.9, 0.05, 0.05, 0), (0.8, 0.1, 0.1, 0)).event is Event.ADD
    chosen = decide((0.9, 0.05, 0.05, 0), (0.1, 0.1, 0.8, 0), (0.3, 0.1, 0.6, 0))
    assert (chosen.event, chosen.target) == (Event.UPDATE, "b")
    assert decide((0.1, 0.8, 0.1, 0)).target == "a"
    assert decide((0.1, 0, 0.1, 0.8)).event is Event.DELETE


def test_probabilities_are_odds_against_add() -> None:
    one = decide((0.3, 0.0, 0.7, 0.0))
    assert one.probability == pytest.approx(0.7, abs=1e-6)  # one candidate: its own distribution
    two = decide((0.2, 0.0, 0.8, 0.0), (0.2, 0.0, 0.8, 0.0))
    assert two.probability == pytest.approx(4 / 5, abs=1e-6)  # odds 4/2 + 4/2 against 1, whichever the target
    unsure = decide((0.5, 0.0, 0.5, 0.0), (0.5, 0.5, 0.0, 0.0))
    assert unsure.probability == pytest.approx(1 / 2, abs=1e-6)


def test_several_similar_memories_still_add() -> None:
    alike = (0.45, 0.55, 0.0, 0.0)
    assert decide(alike).event is Event.NONE
    assert decide(alike, alike, alike).event is Event.ADD


def test_none_requires_margin_over_update() -> None:
    doubtful = decide((0.05, 0.5, 0.45, 0.0))
    assert doubtful.event is Event.UPDATE
    assert doubtful.probability == pytest.approx(0.95, abs=1e-6)
    assert decide((0.05, 0.7, 0.25, 0.0)).event is Event.NONE


@given(st.lists(st.lists(st.floats(0, 1), min_size=4, max_size=4).filter(lambda p: sum(p) > 0), min_size=1, max_size=3))
def test_any_probabilities_make_valid_decision(raw: list[list[float]]) -> None:
    pairs = [tuple(p / sum(ps) for p in ps) for ps in raw]
    chosen = decide(*pairs)  # type: ignore[arg-type]
    assert 0 < chosen.probability <= 1 + 1e-9
    assert (chosen.target is None) == (chosen.event is Event.ADD)
    assert chosen.target in {None, *"abc"[: len(pairs)]}
