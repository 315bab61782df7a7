"""Tests of the paper's dialect, JSON in Mem0's form."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import ANA, MAY_8, turn

from langchain_memlora.engines.base import Completion
from langchain_memlora.errors import ExpertOutputError
from langchain_memlora.experts import cut_windows
from langchain_memlora.experts.dialects import Json, ParsedExtraction
from langchain_memlora.types import Decision, Event, Fact, Memory

JSON = Json()
WINDOW = cut_windows([turn("I moved", id="t1", speaker="Ana"), turn("I run", id="t2", speaker="Tom")])[0]
FACT = Fact("Ana lives in Berlin", "t1", MAY_8)
OLD = [Memory(f"real-{key}", f"old {key}", ANA, MAY_8, MAY_8, MAY_8) for key in "abc"]
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["UPDATE", "DELETE", "ADD", "id", "event"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["id", "event", "facts", "memory"]), inner),
    max_leaves=8,
)


def read(text: str) -> ParsedExtraction:
    return JSON.read_extraction([Completion(text)], WINDOW)


def decide(*rows: object) -> Decision:
    return JSON.read_update([Completion(json.dumps({"memory": rows}))], FACT, OLD)


@pytest.mark.parametrize("wrap", ["{}", "Sure!\n```json\n{}\n```\nDone.", "```{}```", "Here: {} and more"])
def test_facts_are_parsed_inside_prose(wrap: str) -> None:
    reading = read(wrap.replace("{}", '{"facts": ["Ana moved to Berlin", " Tom runs ", "They met"]}'))
    assert [(f.text, f.turn_id) for f in reading.facts] == [
        ("Ana moved to Berlin", "t1"),
        ("Tom runs", "t2"),
        ("They met", "t2"),
    ]
    assert reading.rejected == ()


def test_fact_is_from_the_message_with_most_of_its_words() -> None:
    said = ["I moved to Porto", "I run in Porto", "Hm"]
    (window,) = cut_windows([turn(text, id=text) for text in said])
    completion = Completion('{"facts": ["User moved to Porto", "User runs in Porto", "User is Ana"]}')
    assert [fact.turn_id for fact in JSON.read_extraction([completion], window).facts] == said


def test_empty_list_has_no_facts() -> None:
    assert read('{"facts": []}') == ParsedExtraction((), ())


@pytest.mark.parametrize(
    "text", ["", "no json", '{"facts": ["Ana mo', '{"facts": "Ana"}', '{"memory": []}', "[1]", "{" * 5000]
)
def test_unreadable_output_is_error(text: str) -> None:
    reading = read(text)
    assert reading.facts == ()
    assert isinstance(reading.rejected[0], ExpertOutputError)


def test_invalid_row_keeps_valid_ones() -> None:
    reading = read('{"facts": ["Ana moved", 7, "", null, {"a": 1}]}')
    assert len(reading.facts) == 1
    assert len(reading.rejected) == 4


@given(st.text() | ANY_JSON.map(json.dumps) | ANY_JSON.map(lambda x: json.dumps({"facts": x})))
def test_any_text_is_parsed_or_rejected(text: str) -> None:
    reading = read(text)
    assert {fact.turn_id for fact in reading.facts} <= {"t1", "t2"}
    assert all(fact.text.strip() for fact in reading.facts)


def test_update_prompts_hide_memory_ids() -> None:
    (ask,) = JSON.ask_update(FACT, OLD)
    assert json.loads(ask.slots["old"])[1] == {"id": "1", "text": "old b"}
    assert "real-" not in str(ask.slots)
    assert ask.choices == ()


def test_first_operation_decides() -> None:
    none, update = {"id": "0", "event": "NONE"}, {"id": 1, "event": "update", "text": "x"}
    assert (decide(none, update).event, decide(none, update).target) == (Event.UPDATE, "real-b")
    assert decide({"id": "2", "event": "DELETE"}).target == "real-c"
    assert decide({"id": "9", "event": "ADD"}).target is None
    assert decide(none).event is decide().event is Event.NONE


@pytest.mark.parametrize(
    "row", [{"id": "3", "event": "UPDATE"}, {"id": "-1", "event": "DELETE"}, {"id": "²", "event": "UPDATE"},
            {"event": "UPDATE"}, {"id": "9" * 5000, "event": "UPDATE"}, {"id": "0", "event": "KEEP"}, {"id": "0"}, "ADD"],
)  # fmt: skip
def test_invalid_operation_raises(row: object) -> None:
    with pytest.raises(ExpertOutputError):
        decide(row)


@given(st.text() | ANY_JSON.map(lambda x: json.dumps({"memory": x})))
def test_any_text_is_decision_or_error(text: str) -> None:
    with contextlib.suppress(ExpertOutputError):
        chosen = JSON.read_update([Completion(text)], FACT, OLD)
        assert chosen.target in {None, "real-a", "real-b", "real-c"}
