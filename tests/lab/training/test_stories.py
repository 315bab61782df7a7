"""Tests of the shipped stories and of invalid ones."""

import json
from pathlib import Path
from typing import Any

import pytest

from langchain_memlora.errors import InvalidInputError
from langchain_memlora.lab.training.stories import load_stories
from langchain_memlora.types import Event

GOOD: dict[str, Any] = {
    "id": "s1",
    "sessions": [
        {
            "date": "2024-05-08 12:00",
            "turns": [
                {
                    "by": "user",
                    "say": "I live in Rome, I moved\u2028yesterday",
                    "facts": [
                        {"id": "f1", "fact": "lives in Rome"},
                        {"id": "f2", "fact": "moved yesterday"},
                    ],
                },
                {"by": "assistant", "say": "Nice."},
                {"by": "Tom", "say": "me too", "facts": [{"id": "f3", "fact": "lives in Rome"}]},
            ],
        }
    ],
    "questions": [{"q": "When?", "a": "{when:f2}", "from": ["f2"]}],
}


def _spoiled(where: list[Any], value: object) -> dict[str, Any]:
    story = json.loads(json.dumps(GOOD))
    spot = story
    for key in where[:-1]:
        spot = spot[key]
    spot[where[-1]] = value
    return story


def _write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_shipped_stories_load() -> None:
    stories = load_stories()
    assert len(stories) >= 100
    ids = [story.id for story in stories]
    assert len(set(ids)) == len(ids)
    for story in stories:
        assert story.questions
        for turn, said in story.turns():
            assert turn.role == "user" or not said.facts, f"{turn.id}: an assistant tells a fact"
            assert all(sum(map(bool, (f.updates, f.same, f.forget))) <= 1 for f in said.facts), turn.id


def test_story_turns_match_ledger_turns(tmp_path: Path) -> None:
    # A line separator within a string is no line break of the file.
    story = load_stories(_write(tmp_path / "s.jsonl", json.dumps(GOOD, ensure_ascii=False), "", "  "))[0]
    turns = [turn for turn, _ in story.turns()]
    assert [(t.id, t.role, t.speaker) for t in turns] == [
        ("s1/0.0", "user", None),
        ("s1/0.1", "assistant", None),
        ("s1/0.2", "user", "Tom"),
    ]
    assert turns[0].observed_at.isoformat() == "2024-05-08T12:00:00+00:00"
    assert story.sessions[0].turns[0].facts[0].relation == (Event.ADD, None)


TURN = ["sessions", 0, "turns", 0, "facts", 0]


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("{not json", "Expecting"),
        ("[1]", "Story"),
        (json.dumps(_spoiled([*TURN, "updates"], "f3")), "f3, which does not come before"),
        (json.dumps(_spoiled([*TURN, "same"], "f1")), "f1, which does not come before"),
        (json.dumps(_spoiled([*TURN, "id"], "f2")), "two facts f2"),
        (json.dumps(_spoiled([*TURN, "weight"], 1)), "weight"),
        (json.dumps(_spoiled(["questions", 0, "from"], ["f9"])), "f9"),
        (json.dumps(_spoiled(["questions", 0, "a"], "{when:f8}")), "f8"),
        (json.dumps(_spoiled(["sessions", 0, "date"], "8 May")), "8 May"),
    ],
)
def test_invalid_story_names_its_line(tmp_path: Path, line: str, named: str) -> None:
    path = _write(tmp_path / "mine.jsonl", json.dumps(GOOD), line)
    with pytest.raises(InvalidInputError) as caught:
        load_stories(path)
    assert f"{path}:2" in str(caught.value)
    assert named in str(caught.value)


def test_invalid_utf8_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "latin.jsonl"
    path.write_bytes(json.dumps(GOOD).replace("Nice", "Ol\u00e9").encode("latin-1"))
    with pytest.raises(InvalidInputError, match=r"latin\.jsonl:1"):
        load_stories(path)
