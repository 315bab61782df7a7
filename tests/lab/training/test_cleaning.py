"""Tests of cleaning a teacher's text, with each switch on and off."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from support import ANA, MAY_8

from langchain_memlora.experts import Window, cut_windows
from langchain_memlora.lab.training.cleaning import (
    TaughtFact,
    TaughtOperation,
    clean_answer,
    clean_extraction,
    clean_questions,
    clean_update,
    fact_of,
)
from langchain_memlora.lab.training.replies import Cleaning
from langchain_memlora.types import Event, Fact, Memory, Turn

ALL = Cleaning()


def _window(*said: str, speaker: str | None = None) -> Window:
    turns = [Turn(f"t{n}", ANA, "user", text, MAY_8, "given", speaker) for n, text in enumerate(said)]
    return cut_windows(turns)[0]


def _facts(*facts: tuple[int, str]) -> str:
    return json.dumps({"facts": [{"message": number, "fact": text} for number, text in facts]})


HOME = _window("I live in Rome with my dog Bo", "forget my pin")
SAID = _facts((1, "User lives in Rome"), (1, "User's dog is called Bo."))


# -- extraction --------------------------------------------------------------------------------------------------


def test_subjects_are_removed_and_restored() -> None:
    cleaned = clean_extraction(SAID, HOME, ALL)
    assert cleaned.value == (TaughtFact(1, "lives in Rome", False), TaughtFact(1, "'s dog is called Bo", False))
    assert json.loads(cleaned.target) == {"facts": ["User lives in Rome", "User's dog is called Bo"]}
    assert [fact_of(fact, HOME).text for fact in cleaned.value] == ["User lives in Rome", "User's dog is called Bo"]


def test_named_speaker_is_subject() -> None:
    window = _window("I bake", speaker="Ana")
    assert clean_extraction(_facts((1, "Ana bakes bread")), window, ALL).value == (TaughtFact(1, "bakes bread", False),)
    assert "'Ana'" in str(clean_extraction(_facts((1, "User bakes bread")), window, ALL).dropped)


def test_forget_requests_are_parsed() -> None:
    row = {"message": 2, "fact": "User has a pin", "forget": True}
    cleaned = clean_extraction(json.dumps({"facts": [row]}), HOME, ALL)
    assert cleaned.value == (TaughtFact(2, "has a pin", True),)
    assert fact_of(cleaned.value[0], HOME).retracts
    assert json.loads(cleaned.target) == {"facts": ["forget that User has a pin"]}


def test_empty_list_differs_from_empty_text() -> None:
    assert clean_extraction('{"facts": []}', HOME, ALL).value == ()
    assert clean_extraction('{"facts": []}', HOME, ALL).dropped is None
    assert clean_extraction("", HOME, ALL).dropped == "empty"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("I see nothing special here.", "no JSON object with a list 'facts'"),
        ('{"facts": "none"}', "no JSON object with a list 'facts'"),
        ('{"facts": [', "no JSON object"),
        (_facts((3, "User bakes")), "not a fact of one of the messages 1, 2"),
        ('{"facts": ["User bakes"]}', "not a fact of one of the messages"),
        (_facts((1, "Rome is home")), "does not begin with the author of message 1"),
        (_facts((1, "User")), "does not begin with the author of message 1"),
        ("<think>endless", "it has nothing but thoughts"),
    ],
)
def test_unreadable_text_is_dropped_with_reason(text: str, reason: str) -> None:
    cleaned = clean_extraction(text, HOME, ALL)
    assert reason in str(cleaned.dropped)
    assert (cleaned.target, cleaned.value) == ("", None)


# -- switches ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "thoughts",
    [
        '<think>Perhaps {"facts": []}? No.</think>',
        '<reasoning>{"facts": []}</reasoning>\n',
        'analysis{"facts": []} is too littleassistantfinal',
        '<|channel|>analysis<|message|>{"facts": []}<|end|><|start|>assistant<|channel|>final<|message|>',
    ],
)
def test_thoughts_are_removed(thoughts: str) -> None:
    text = thoughts + SAID
    assert len(clean_extraction(text, HOME, ALL).value) == 2
    kept = clean_extraction(text, HOME, replace(ALL, thoughts=False, minimal=False))
    assert kept.value == ()  # the draft in the thoughts comes first
    assert kept.target == text.strip()


def test_minimal_removes_surrounding_text() -> None:
    chatty = f"Here you are:\n```json\n{SAID}\n```\nAnything else?"
    short, whole = (clean_extraction(chatty, HOME, replace(ALL, minimal=on)) for on in (True, False))
    assert short.value == whole.value
    assert whole.target == chatty
    assert len(short.target) < len(whole.target)
    assert "Anything else" not in short.target


# -- update ------------------------------------------------------------------------------------------------------


def _memory(key: str, text: str) -> Memory:
    return Memory(key, text, ANA, MAY_8, MAY_8, MAY_8)


KNOWN = [_memory("a", "User lives in Rome"), _memory("b", "User has a dog"), _memory("c", "User bakes")]
NEW = [Fact("User lives in Oslo", "t1", MAY_8), Fact("User has a dog", "t1", MAY_8), Fact("User runs", "t1", MAY_8)]
OPERATIONS = [
    {"id": "0", "text": "User lives in Oslo", "event": "UPDATE", "old_memory": "User lives in Rome", "fact": 1},
    {"id": "1", "text": "User has a dog", "event": "NONE", "fact": 2},
    {"id": "2", "text": "User bakes", "event": "NONE"},
    {"id": "7", "text": "User runs", "event": "add", "fact": 3},
]


def _update(rows: object) -> str:
    return json.dumps({"memory": rows})


def test_untouched_memories_are_filtered() -> None:
    short, whole = (clean_update(_update(OPERATIONS), NEW, KNOWN, replace(ALL, untouched=on)) for on in (True, False))
    assert short.value == (
        TaughtOperation(Event.UPDATE, 0, 0),
        TaughtOperation(Event.NONE, 1, 1),
        TaughtOperation(Event.ADD, 2, None),
    )
    assert set(whole.value) - set(short.value) == {TaughtOperation(Event.NONE, None, 2)}
    assert [row["event"] for row in json.loads(short.target)["memory"]] == ["UPDATE", "NONE", "ADD"]
    assert json.loads(short.target)["memory"][0] == {
        "id": "0",
        "text": "User lives in Oslo",
        "event": "UPDATE",
        "old_memory": "User lives in Rome",
    }
    assert len(whole.target) > len(short.target)
    assert "User bakes" in whole.target
    assert "User bakes" not in short.target


def test_only_retractions_delete() -> None:
    rows = [{"id": "0", "event": "DELETE", "fact": 1}]
    assert clean_update(_update(rows), NEW[:1], KNOWN, ALL).value == (TaughtOperation(Event.UPDATE, 0, 0),)
    forget = [replace(NEW[1], retracts=True)]
    rows = [{"id": "1", "event": "DELETE", "fact": 1}]
    assert clean_update(_update(rows), forget, KNOWN, ALL).value == (TaughtOperation(Event.DELETE, 0, 1),)
    rows = [{"id": "9", "event": "ADD", "fact": 1}]
    assert "answers a request to forget with ADD" in str(clean_update(_update(rows), forget, KNOWN, ALL).dropped)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (OPERATIONS[:1], "answers facts [1], but facts 1 to 3 were asked about"),
        ([*OPERATIONS, OPERATIONS[0]], "answers facts [1, 1, 2, 3]"),
        ([{"id": "3", "event": "UPDATE", "fact": 1}], "was not shown"),
        ([{"id": "0", "event": "UPDATE", "fact": 9}], "was not shown"),
        ([{"id": "0", "event": "MERGE", "fact": 1}], "has no event"),
        ([{"id": "first", "event": "NONE", "fact": 1}], "no usable id"),
        ([{"id": "0", "event": "UPDATE"}], "names no fact"),
        (["User lives in Oslo"], "has no event"),
    ],
)
def test_unreadable_updates_are_dropped(rows: list[object], reason: str) -> None:
    assert reason in str(clean_update(_update(rows), NEW, KNOWN, ALL).dropped)


# -- answers and questions -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ('{"answer": "Oslo"}', "Oslo"),
        ('The notes say so.\n{"answer": "Oslo."}', "Oslo"),
        ('"Oslo"', "Oslo"),
        ("Answer: Oslo", "Oslo"),
        ('<think>{"answer": "Rome"}?</think>{"answer": "Oslo"}', "Oslo"),
        ('{"answer": "Not mentioned in the notes."}', "unknown"),
        ("Unknown", "unknown"),
    ],
)
def test_answers_are_shortened(text: str, short: str) -> None:
    assert clean_answer(text, ALL).target == short
    assert clean_answer(text, replace(ALL, thoughts=False, minimal=False)).target == text


def test_empty_or_long_answer_is_dropped() -> None:
    assert clean_answer('{"answer": ""}', ALL).dropped == "no answer"
    assert "30 words" in str(clean_answer("word " * 30, ALL).dropped)


def test_questions_are_parsed() -> None:
    assert clean_questions('{"questions": ["Where?", " ", 3]}').value == ("Where?",)
    assert clean_questions('{"questions": []}').dropped == "no questions"
    assert clean_questions("Where?").dropped


def test_subject_matches_any_case() -> None:
    at = datetime(2024, 1, 1, tzinfo=UTC)
    window = cut_windows([Turn("t", ANA, "user", "x", at)])[0]
    assert clean_extraction(_facts((1, "The user lives in Rome")), window, ALL).value[0].sentence == "lives in Rome"
