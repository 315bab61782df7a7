"""Tests of the shipped held-out data, and that none of it is in the training stories."""

import json
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

import langchain_memlora
from langchain_memlora.experts.dialects.lines import read_fact
from langchain_memlora.lab.training.stories import WHEN, Story, StoryFact, load_stories
from langchain_memlora.retrieval import find_dates
from langchain_memlora.types import Event, Turn

DATA = Path(langchain_memlora.__file__).parent / "lab" / "evaluation" / "datasets" / "data"
LABEL_OF = {
    "paraphrase": "NONE",
    "no-change": "NONE",
    "change": "UPDATE",
    "cancelled": "UPDATE",
    "detail": "UPDATE",
    "retraction": "DELETE",
    "unrelated-close": "ADD",
    "unrelated": "ADD",
}
# "That must have been hard", "User is left-handed": anybody may write that without having seen it.
TELLING = 6  # words


@pytest.fixture(scope="module")
def cases() -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DATA / "updates.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def histories() -> list[Story]:
    return load_stories(DATA / "assistant.jsonl")


@pytest.fixture(scope="module")
def trained() -> list[Story]:
    return load_stories()


def _facts(story: Story) -> dict[str, tuple[Turn, StoryFact]]:
    return {fact.id: (turn, fact) for turn, said in story.turns() for fact in said.facts}


def _telling(texts: Iterable[str]) -> set[str]:
    """The texts, without case and punctuation, that nobody would write twice by chance."""
    return {bare for bare in map(_bare, texts) if len(bare.split()) >= TELLING}


def _bare(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))


def _subject(sentence: str) -> str:
    return sentence.split()[0].removesuffix("'s")


def test_update_cases_are_valid(cases: list[dict[str, Any]]) -> None:
    assert len(cases) >= 300
    for key in ("id", "memory"):
        assert len({case[key] for case in cases}) == len(cases), f"two cases have the same {key}"
    for case in cases:
        assert set(case) == {"id", "kind", "memory", "fact", "label", "retracts"}, case["id"]
        assert case["label"] == LABEL_OF[case["kind"]], case["id"]
        assert _subject(case["memory"]) == _subject(case["fact"]), case["id"]
        assert case["label"] != "DELETE" or case["retracts"], f"{case['id']}: only a retraction deletes"


def test_update_cases_cover_all_kinds(cases: list[dict[str, Any]]) -> None:
    kinds = Counter(case["kind"] for case in cases)
    labels = Counter(case["label"] for case in cases)
    assert set(kinds) == set(LABEL_OF)
    assert min(kinds.values()) >= 25
    assert kinds["unrelated-close"] >= max(70, kinds["unrelated"]), "near misses are what an expert gets wrong"
    assert labels["NONE"] == kinds["paraphrase"] + kinds["no-change"] >= len(cases) / 3
    assert labels["UPDATE"] >= 100
    assert labels["ADD"] >= len(cases) / 3
    assert any(case["retracts"] for case in cases if case["label"] == "ADD"), "forgetting something else must be tested"


def test_histories_alternate_user_and_assistant(histories: list[Story]) -> None:
    assert len(histories) >= 24
    assert len({story.id for story in histories}) == len(histories)
    silent = user_turns = 0
    for story in histories:
        turns = list(story.turns())
        assert 14 <= len(turns) <= 24, story.id
        assert 2 <= len(story.sessions) <= 4, story.id
        days = [session.observed_at for session in story.sessions]
        assert days == sorted(days), story.id
        for session in story.sessions:
            roles = [turn.role for turn in session.turns]
            assert roles == ["user", "assistant"] * (len(roles) // 2), f"{story.id} {session.date}"
        said = [turn for _, turn in turns if turn.role == "user"]
        user_turns += len(said)
        silent += sum(not turn.facts for turn in said)
    assert 0.4 <= silent / user_turns <= 0.6, "about half of the messages should tell nothing"


def test_histories_have_all_relations(histories: list[Story]) -> None:
    relations = Counter(fact.relation[0] for story in histories for _, fact in _facts(story).values())
    assert relations[Event.UPDATE] >= len(histories)
    assert relations[Event.NONE] >= 8
    assert relations[Event.DELETE] >= 8


def test_questions_have_short_answers_or_none(histories: list[Story]) -> None:
    for story in histories:
        assert len(story.questions) == 8, story.id
        assert 1 <= sum(question.a is None for question in story.questions) <= 2, story.id
        for question in story.questions:
            assert question.a is None or len(question.a.split()) <= 6, f"{story.id}: {question.q}"
            assert question.a is None or question.sources, f"{story.id}: {question.q}"
    polar = Counter(question.a for story in histories for question in story.questions)
    assert min(polar["Yes"], polar["No"]) >= 12, "always saying the same must not pay"


def test_question_dates_can_be_resolved(histories: list[Story]) -> None:
    for story in histories:
        facts = _facts(story)
        for question in story.questions:
            if dated := WHEN.fullmatch(question.a or ""):
                turn, fact = facts[dated[1]]
                assert find_dates(fact.fact, turn.observed_at), f"{story.id}: {question.q}"


def test_retracted_facts_answer_no_question(histories: list[Story]) -> None:
    for story in histories:
        facts = _facts(story)
        taken_back = {fact.forget for _, fact in facts.values() if fact.forget}
        for question in story.questions:
            answered_from = taken_back & set(question.sources)
            assert question.a is None or not answered_from, f"{story.id}: {question.q} is answered from {answered_from}"


def test_update_cases_are_not_trained_on(cases: list[dict[str, Any]], trained: list[Story]) -> None:
    told = (read_fact(fact.fact, turn).text for story in trained for turn, fact in _facts(story).values())
    assert not _telling(case[key] for case in cases for key in ("memory", "fact")) & _telling(told)


def test_histories_are_not_trained_on(histories: list[Story], trained: list[Story]) -> None:
    assert not {story.id for story in histories} & {story.id for story in trained}
    said, known = ([turn.text for story in given for turn, _ in story.turns()] for given in (histories, trained))
    assert not _telling(said) & _telling(known)


def test_questions_are_not_trained_on(histories: list[Story], trained: list[Story]) -> None:
    def asked(stories: Iterable[Story]) -> set[tuple[str, str]]:
        plain = [q for story in stories for q in story.questions if q.a not in (None, "Yes", "No")]
        return {(_bare(q.q), _bare(q.a or "")) for q in plain if not WHEN.search(q.a or "")}

    assert not asked(histories) & asked(trained)
