"""Tests of generation rows, with the context that retrieval finds."""

import re
from pathlib import Path
from typing import Any

import pytest
from support import BagOfWords

from langchain_memlora.bundles import Bundle
from langchain_memlora.lab.training import reading
from langchain_memlora.lab.training.reading import fill, generation_rows
from langchain_memlora.lab.training.stories import Story, load_stories
from langchain_memlora.ledger import Ledger


def _session(date: str, *turns: tuple[str, list[dict[str, str]]]) -> dict[str, Any]:
    return {"date": date, "turns": [{"by": "user", "say": say, "facts": facts} for say, facts in turns]}


ROME = Story.model_validate(
    {
        "id": "rome",
        "sessions": [
            _session(
                "2024-05-08 12:00",
                ("I ran a marathon yesterday", [{"id": "f1", "fact": "ran a marathon yesterday"}]),
                ("I live in Rome", [{"id": "f2", "fact": "lives in Rome"}]),
                ("My pin code is 4711", [{"id": "f3", "fact": "'s pin code is 4711"}]),
            ),
            _session(
                "2024-06-01 09:00",
                ("I live in Oslo now", [{"id": "f4", "fact": "lives in Oslo", "updates": "f2"}]),
                ("Forget my pin code", [{"id": "f5", "fact": "'s pin code is 4711", "forget": "f3"}]),
            ),
        ],
        "questions": [
            {"q": "When did I run a marathon?", "a": "{when:f1}", "from": ["f1"]},
            {"q": "Where do I live?", "a": "Oslo", "from": ["f4"]},
            {"q": "What is my pin code?", "a": None, "from": []},
            {"q": "When did I live in Rome?", "a": "{when:f2}", "from": ["f2"]},
        ],
    }
)
TEA = Story.model_validate(
    {
        "id": "tea",
        "sessions": [_session("2024-05-08 12:00", ("I like green tea", [{"id": "f1", "fact": "likes green tea"}]))],
        "questions": [{"q": "Which tea do I like?", "a": "green tea", "from": ["f1"]}],
    }
)


@pytest.fixture
def shown(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[str, str]]:
    """Context and answer by question, with memories and turns in every context."""
    monkeypatch.setattr(reading, "INCLUDES", ("both",))
    return _by_question(generation_rows(bundle, [ROME, TEA], embeddings=BagOfWords()))


def _by_question(rows: list[Any]) -> dict[str, tuple[str, str]]:
    found = {}
    for row in rows:
        context, question = row["prompt"][0]["content"].split("\n\nQuestion: ")
        found[question] = (context, row["completion"][0]["content"])
    return found


def test_row_answers(shown: dict[str, tuple[str, str]]) -> None:
    assert shown["When did I run a marathon?"][1] == "7 May 2024"
    assert shown["Where do I live?"][1] == "Oslo"
    assert shown["What is my pin code?"][1] == "unknown"
    assert shown["Which tea do I like?"][1] == "green tea"
    assert "When did I live in Rome?" not in shown  # no date in that fact: no row


def test_row_contexts_hide_forgotten_facts(shown: dict[str, tuple[str, str]]) -> None:
    for context, _ in shown.values():
        assert "4711" not in context
    assert re.search(r"Rome.*\(no longer so\)", shown["Where do I live?"][0])
    assert "Oslo" in shown["Where do I live?"][0]
    assert "Oslo" not in shown["Which tea do I like?"][0]


def test_question_without_evidence_is_unknown(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "build_context", lambda hits, budget: "(no notes)")
    answers = {answer for _, answer in _by_question(generation_rows(bundle, [ROME], embeddings=BagOfWords())).values()}
    assert answers == {"unknown"}


def test_shipped_stories_fill_ledger(tmp_path: Path) -> None:
    for number, story in enumerate(load_stories()[::45]):
        with Ledger(tmp_path / f"{number}.sqlite3") as ledger:
            bank = fill(ledger, story)
            gone = {f.forget for _, said in story.turns() for f in said.facts if f.forget}
            live = {memory.text for memory in ledger.memories(bank.scope)}
            told_again = {
                bank.facts[f.id].text for _, s in story.turns() for f in s.facts if not f.forget and f.id not in gone
            }
            assert not (live & {bank.facts[key].text for key in gone} - told_again)


def test_superseded_fact_can_be_forgotten(tmp_path: Path) -> None:
    story = next(story for story in load_stories() if story.id == "named-16")
    with Ledger(tmp_path / "x.sqlite3") as ledger:
        bank = fill(ledger, story)
        assert not any("kg" in memory.text for memory in ledger.memories(bank.scope))


def test_quoted_memories(tmp_path: Path) -> None:
    facts = [{"id": "f1", "fact": "lives in Rome"}, {"id": "f2", "fact": "works as a baker"}]
    moved = [{"id": "f3", "fact": "lives in Oslo", "updates": "f1"}]
    baker = [{"id": "f4", "fact": "has a bakery"}, {"id": "f5", "fact": "bakes rye bread"}]
    closed = [{"id": "f6", "fact": "sold the bakery", "updates": "f4"}]
    said = [
        ("Hello! I live in Rome. I work as a baker there. Any news?", facts),
        ("So, I moved to Oslo to live by the sea.", moved),
        ("I have a bakery and bake rye bread.", baker),
        ("I sold the bakery.", closed),
    ]
    story = Story.model_validate({"id": "x", "sessions": [_session("2024-05-08 12:00", *said)], "questions": []})
    with Ledger(tmp_path / "x.sqlite3") as ledger:
        bank = fill(ledger, story, quoted=True)
        kept = ledger.memories(bank.scope)
    assert {memory.text for memory in kept} == {
        'User: "I work as a baker there."',
        'User: "So, I moved to Oslo to live by the sea."',
        'User: "I have a bakery and bake rye bread."',  # its other half still holds
        'User: "I sold the bakery."',
    }
    assert all(memory.form == "said" for memory in kept)
    assert "I work as a baker there." in bank.shown_as("f2")
