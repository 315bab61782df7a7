"""Tests of random model output, which is parsed or rejected and never reaches unseen memories."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import ANA, MAY_8

from benchmarks.reliability import fuzz, guided
from langchain_memlora.engines.base import Completion
from langchain_memlora.errors import ExpertOutputError
from langchain_memlora.experts.dialects import DIALECTS, Json, Lines
from langchain_memlora.types import Decision, Event, Fact, Memory

FACT = Fact("Ana lives in Berlin", "t1", MAY_8)
CANDIDATES = [Memory(f"m{i}", f"Ana lives in {i}", ANA, MAY_8, MAY_8, MAY_8) for i in range(3)]
JSONISH = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["facts", "memory", "id", "event", "text"]), inner, max_size=4)
    ),
    max_leaves=12,
)


def test_random_output_breaks_nothing() -> None:
    found = fuzz.run(8_000, 3)
    assert found["broken"] == []
    assert set(found["read as"]) >= {"facts", "unreadable", "ADD", "UPDATE", "DELETE", "NONE"}  # all ways were gone


def test_guided_fuzzing_breaks_nothing() -> None:
    pytest.importorskip("atheris", reason="atheris is not installed")
    found = guided.run(3)
    assert found["broken"] == []
    assert found["outputs"] > 1000


def test_disabled_id_check_reaches_unseen_memories(monkeypatch: pytest.MonkeyPatch) -> None:
    def trusting(self: Json, completions: Sequence[Completion], fact: Fact, candidates: Sequence[Memory]) -> Decision:
        try:
            return Json_read_update(self, completions, fact, candidates)
        except ExpertOutputError as error:
            if "were shown" in str(error):
                return Decision(Event.UPDATE, fact, "m9")
            raise

    Json_read_update = Json.read_update
    monkeypatch.setattr(Json, "read_update", trusting)
    assert fuzz.run(8_000, 3)["wrong"] > 0


@given(text=st.text() | JSONISH.map(lambda value: json.dumps(value)), finished=st.booleans())
def test_extraction_uses_shown_turns_only(text: str, finished: bool) -> None:
    window = fuzz.window()
    shown = {turn.id for turn in window.turns}
    for dialect in DIALECTS.values():
        reading = dialect().read_extraction([Completion(text, finished=finished)], window)
        assert {fact.turn_id for fact in reading.facts} <= shown


@given(text=st.text() | JSONISH.map(lambda value: json.dumps(value)))
def test_written_update_targets_shown_memory(text: str) -> None:
    try:
        decision = Json().read_update([Completion(text)], FACT, CANDIDATES)
    except ExpertOutputError:
        return
    assert decision.target in {None, "m0", "m1", "m2"}


@given(st.lists(st.lists(st.floats(0, 1), min_size=4, max_size=4), min_size=3, max_size=3))
def test_scored_update_targets_shown_memory(chances: list[list[float]]) -> None:
    decision = Lines().read_update([Completion("", tuple(row)) for row in chances], FACT, CANDIDATES)
    assert decision.target in {None, "m0", "m1", "m2"}
    assert (decision.target is None) == (decision.event is Event.ADD)
    assert 0 <= decision.probability <= 1 + 1e-9
