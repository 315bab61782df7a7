"""Tests of the dataset readers on small files and on LoCoMo where it is present."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support.locomo import FILE, needs_locomo

from langchain_memlora.errors import InvalidInputError
from langchain_memlora.lab.evaluation.conversations import ABSTAIN
from langchain_memlora.lab.evaluation.datasets import (
    DATASETS,
    load_histories,
    load_locomo,
    load_longmemeval,
    load_realtalk,
)


def write(file: Path, value: Any) -> Path:
    file.write_text(json.dumps(value))
    return file


# -- LoCoMo --------------------------------------------------------------------------------------------------------


def test_locomo_reads_turns_questions_and_facts(locomo_file: Path) -> None:
    [conversation] = load_locomo(locomo_file, (1,))
    assert [turn.message_id for turn in conversation.turns] == ["D1:1", "D1:2", "D1:3", "D2:1", "D2:2"]
    assert {turn.role for turn in conversation.turns} == {"user"}
    assert conversation.turns[0].speaker == "Ana"
    assert conversation.turns[0].observed_at == datetime(2023, 5, 8, 13, 56, tzinfo=UTC)
    assert conversation.turns[1].text == "I play the cello [shares a cello]"
    assert [len(session) for session in conversation.sessions] == [3, 2]
    assert conversation.questions[2].evidence == {"D1:1", "D2:1"}
    assert [fact.message_id for fact in conversation.facts] == ["D1:1", "D1:2", "D2:1"]


def test_image_query_field_is_not_read(locomo_file: Path) -> None:
    assert not any("secret" in turn.text for turn in load_locomo(locomo_file, (1,))[0].turns)


def test_adversarial_questions_are_optional(locomo_file: Path) -> None:
    assert [q.category for q in load_locomo(locomo_file, (1,))[0].questions] == ["4", "1", "4"]
    last = load_locomo(locomo_file, (1,), adversarial=True)[0].questions[-1]
    assert (last.category, last.gold) == ("5", ABSTAIN)


def test_audit_replaces_published_answers(locomo_file: Path, tmp_path: Path) -> None:
    audit = [{"sample_id": "conv-1", "qa_index": 0, "correct_answer": "viola", "correct_evidence": ["D1:3"]}]
    [conversation] = load_locomo(locomo_file, (1,), corrections=write(tmp_path / "audit.json", audit))
    assert (conversation.questions[0].gold, conversation.questions[0].evidence) == ("viola", {"D1:3"})
    assert conversation.questions[1].gold == "cats, dog"


def test_first_sessions_keeps_their_questions(locomo_file: Path) -> None:
    cut = load_locomo(locomo_file, (1,))[0].first_sessions(1)
    assert len(cut.turns) == 3
    assert [question.gold for question in cut.questions] == ["cello"]
    assert len(cut.facts) == 2


@pytest.mark.parametrize("numbers", [(0,), (3,), (-1,)])
def test_invalid_conversation_number_raises(locomo_file: Path, numbers: tuple[int, ...]) -> None:
    with pytest.raises(InvalidInputError, match="places"):
        load_locomo(locomo_file, numbers)


@needs_locomo
def test_test_split_matches_paper() -> None:
    conversations = DATASETS["locomo"].load(FILE)
    assert [c.id for c in conversations] == ["conv-30", "conv-41"]
    questions = [question for c in conversations for question in c.questions]
    assert [sum(q.category == str(n) for q in questions) for n in range(1, 6)] == [42, 53, 8, 130, 0]
    known = {c.id: {turn.message_id for turn in c.turns} for c in conversations}
    assert all(q.evidence <= known[q.id.split("/")[0]] for q in questions)
    assert [len(c.sessions) for c in conversations] == [19, 32]


# -- the others ----------------------------------------------------------------------------------------------------

LONGMEMEVAL = {
    "question_id": "q7",
    "question_type": "knowledge-update",
    "question": "Where do I live now?",
    "question_date": "2023/06/01 (Thu) 10:00",
    "answer": "Berlin",
    "haystack_session_ids": ["late", "early"],
    "haystack_dates": ["2023/05/20 (Sat) 02:21", "2023/05/02 (Tue) 18:00"],
    "haystack_sessions": [
        [
            {"role": "user", "content": "I moved to Berlin", "has_answer": True},
            {"role": "assistant", "content": "Nice!"},
        ],
        [{"role": "user", "content": "I live in Porto"}],
    ],
    "answer_session_ids": ["late"],
}


def test_longmemeval_is_sorted_by_date(tmp_path: Path) -> None:
    untold = {**LONGMEMEVAL, "question_id": "q8_abs", "answer": "The user never said so."}
    first, second = load_longmemeval(write(tmp_path / "s.json", [LONGMEMEVAL, untold]))
    assert [turn.text for turn in first.turns] == ["I live in Porto", "I moved to Berlin", "Nice!"]
    assert [turn.role for turn in first.turns] == ["user", "user", "assistant"]
    assert first.turns[1].observed_at == datetime(2023, 5, 20, 2, 21, tzinfo=UTC)
    [question] = first.questions
    assert (question.gold, question.category, question.evidence) == ("Berlin", "knowledge-update", {"late/0"})
    assert second.questions[0].gold == ABSTAIN
    assert [c.id for c in load_longmemeval(tmp_path / "s.json", (2,))] == ["q8_abs"]


REALTALK = {
    "name": {"speaker_1": "Ana", "speaker_2": "Ben"},
    "session_1_date_time": "29.12.2023, 14:05:00",
    "session_1": [
        {"clean_text": "Just got a puppy", "speaker": "Ana", "date_time": "29.12.2023, 14:05:00", "dia_id": "D1:1"},
        {"clean_text": "", "speaker": "Ben", "date_time": "29.12.2023, 14:06:00", "dia_id": "D1:2"},
        {"clean_text": "Lovely", "speaker": "Ben", "date_time": "29.12.2023, 18:07:00", "dia_id": "D1:3"},
    ],
    "session_2": [
        {"clean_text": "It is called Rex", "speaker": "Ana", "date_time": "30.12.2023, 09:00:00", "dia_id": "D2:1"}
    ],
    "qa": [{"question": "What is the puppy called?", "answer": "Rex", "evidence": ["D2:1"], "category": 1}],
}


def test_realtalk_reads_file_or_folder(tmp_path: Path) -> None:
    write(tmp_path / "Chat_2.json", REALTALK)
    write(tmp_path / "Chat_1.json", REALTALK)
    [one] = load_realtalk(tmp_path / "Chat_2.json")
    assert [turn.message_id for turn in one.turns] == ["D1:1", "D1:3", "D2:1"]
    assert [len(session) for session in one.sessions] == [2, 1]
    assert one.turns[2].observed_at == datetime(2023, 12, 30, 9, tzinfo=UTC)
    assert one.questions[0].evidence == {"D2:1"}
    assert [c.id for c in load_realtalk(tmp_path)] == ["Chat_1", "Chat_2"]
    with pytest.raises(InvalidInputError, match="2 JSON"):
        load_realtalk(tmp_path, (3,))


@pytest.mark.parametrize("load", [load_longmemeval, load_realtalk, load_locomo])
@pytest.mark.parametrize("content", ["{", "[]", '[{"a": 1}]', '{"session_1": []}', "3"])
def test_unreadable_format_raises(load: Any, content: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(InvalidInputError, match="Pass"):
        load(tmp_path / "x.json", (1,))


def test_histories_record_stale_facts(tmp_path: Path) -> None:
    story = {
        "id": "s1",
        "sessions": [
            {
                "date": "2024-03-04 10:00",
                "turns": [{"by": "user", "say": "I live in Porto.", "facts": [{"id": "f1", "fact": "lives in Porto"}]}],
            },
            {
                "date": "2024-05-08 10:00",
                "turns": [
                    {
                        "by": "user",
                        "say": "Moved to Berlin yesterday!",
                        "facts": [{"id": "f2", "fact": "moved to Berlin yesterday", "updates": "f1"}],
                    },
                    {"by": "assistant", "say": "Congratulations!"},
                ],
            },
        ],
        "questions": [
            {"q": "Where does the user live?", "a": "Berlin", "from": ["f2"]},
            {"q": "When did the user move?", "a": "{when:f2}", "from": ["f2"]},
            {"q": "What is the user's job?", "a": None, "from": []},
        ],
    }
    (tmp_path / "h.jsonl").write_text(json.dumps(story) + "\n")
    [history] = load_histories(tmp_path / "h.jsonl")
    where, when, job = history.questions
    assert (where.gold, where.category, where.stale) == ("Berlin", "changed", "User lives in Porto")
    assert where.evidence == {"s1/1.0"}
    assert when.gold == "7 May 2024"
    assert (job.gold, job.category) == (ABSTAIN, "unanswerable")
    assert (history.facts[0].text, history.facts[0].message_id) == ("User lives in Porto", "s1/0.0")
    with pytest.raises(InvalidInputError, match="places"):
        load_histories(tmp_path / "h.jsonl", (2,))


def test_shipped_histories_load() -> None:
    histories = load_histories()
    questions = [question for history in histories for question in history.questions]
    assert len(histories) >= 20
    assert len(questions) >= 150
    assert {"plain", "changed", "unanswerable", "date"} <= {question.category for question in questions}
    assert all(question.evidence for question in questions if question.gold)
