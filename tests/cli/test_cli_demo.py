"""Tests of scripts, the player and `memlora demo`."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from langchain_memlora.bundles import DEFAULT_BUNDLE, Role
from langchain_memlora.errors import InvalidInputError
from langchain_memlora.lab.scripts.player import play
from langchain_memlora.lab.scripts.script import ScriptQuestion, demo_script, load_script
from tests.cli.conftest import Opener

Run = Callable[..., Result]
SCRIPTS = Path(__file__).parents[1] / "scripts"
MOVING = """
title: Moving house
user_id: ana
sessions:
  - date: 2024-05-06 18:30
    turns:
      - user: I live in Porto.
      - assistant: I live in the cloud.
      - user: Garble
  - date: 2024-06-01
    turns:
      - user: I live in Berlin.
      - assistant: Nice.
      - user: Hello
questions:
  - ask: Where do I live?
    expect: [berlin]
    reject: [Porto]
    shows: update
  - ask: What is my name?
    expect: [Ana]
"""
GROUP = """
title: Two people
user_id: nadia
sessions:
  - date: 2024-05-06 18:30
    turns:
      - Nadia: I live in Porto.
      - Tom: I live in Rome.
"""


@pytest.fixture
def moving(tmp_path: Path) -> Path:
    path = tmp_path / "scripts" / "moving.yaml"
    path.parent.mkdir()
    path.write_text(MOVING)
    return path


def test_shipped_scripts_are_valid() -> None:
    files = [demo_script(), *sorted(SCRIPTS.glob("*.yaml"))]
    assert len(files) > 5
    for file in files:
        script = load_script(file)
        assert script.questions
        assert all(not question.passes("") for question in script.questions if question.expect)


def test_exchanges_end_with_reply(moving: Path, tmp_path: Path) -> None:
    first, second = load_script(moving).sessions
    assert [[turn.by for turn in part] for part in first.exchanges] == [["user", "assistant"], ["user"]]
    assert first.observed_at == datetime(2024, 5, 6, 18, 30, tzinfo=UTC)
    assert second.observed_at == datetime(2024, 6, 1, tzinfo=UTC)
    path = tmp_path / "group.yaml"
    path.write_text(GROUP + "      - assistant: Both are fine.\n")
    parts = load_script(path).sessions[0].exchanges
    assert [[turn.message for turn in part] for part in parts] == [
        [{"role": "user", "name": "Nadia", "content": "I live in Porto."}],
        [
            {"role": "user", "name": "Tom", "content": "I live in Rome."},
            {"role": "assistant", "content": "Both are fine."},
        ],
    ]


def test_expected_answer_ignores_full_stop() -> None:
    question = ScriptQuestion(ask="Am I going?", expect=["no."])
    assert question.passes("No")
    assert not question.passes("Not sure")


@pytest.mark.parametrize(
    ("answer", "passes"), [("In BERLIN now", True), ("Berlin, not Porto", False), ("unknown", False), ("", False)]
)
def test_question_passes(answer: str, passes: bool) -> None:
    question = ScriptQuestion(ask="Where?", expect=["Berlin", "Potsdam"], reject=["porto"])
    assert question.passes(answer) is passes


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("title: [", "can't be read"),
        ("just words", "valid dictionary"),
        (MOVING.replace("user_id: ana", ""), "user_id: Field required"),
        (
            MOVING.replace("- user: Hello", "- user: Hello\n        mood: good"),
            "sessions 2, turns 3: a turn is one speaker",
        ),
        (MOVING.replace("- user: Hello", "- user: 42"), "sessions 2, turns 3, text: Input should be a valid string"),
        (MOVING.replace("2024-05-06 18:30", "20240506"), "sessions 1, date: write the date like"),
        (MOVING.replace("expect: [Ana]", "hope: [Ana]"), "questions 2, hope: Extra inputs"),
        (MOVING.replace("expect: [Ana]", "shows: nothing"), "questions 2: a question needs `expect` or `reject`"),
    ],
)
def test_invalid_script_names_file_and_field(memlora: Run, tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(InvalidInputError, match=r"bad\.yaml"):
        load_script(path)
    said = memlora("demo", "--script", str(path), code=1).stderr
    assert words in said
    assert len(said.splitlines()) == 1


def test_missing_script_and_empty_folder(memlora: Run, tmp_path: Path) -> None:
    assert "can't be read" in memlora("demo", "--script", str(tmp_path / "none.yaml"), code=1).stderr
    (tmp_path / "empty").mkdir()
    assert "has no *.yaml" in memlora("demo", "--script", str(tmp_path / "empty"), code=1).stderr


def test_play_returns_results_silently(
    moving: Path, opener: Opener, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with opener(path=home, experts=DEFAULT_BUNDLE) as memory:
        played = play(load_script(moving), memory)
        assert [m.text for m in memory.get_all(user_id="ana")] == ["User live in Berlin"]
    assert [answered.passed for answered in played.answers] == [True, False]
    assert [result.status for result in played.results] == ["ok", "failed", "ok", "ok"]
    stages = [usage.stage for usage in played.usage]
    assert stages == list(dict.fromkeys(stages))
    assert {"extract", "update", "retrieve", "answer"} <= set(stages)
    assert next(usage for usage in played.usage if usage.stage == "answer").calls == 2
    assert capsys.readouterr().out == ""


def test_group_keeps_speakers_apart(opener: Opener, home: Path, tmp_path: Path) -> None:
    path = tmp_path / "group.yaml"
    path.write_text(GROUP)
    with opener(path=home, experts=DEFAULT_BUNDLE) as memory:
        play(load_script(path), memory)
        assert [m.text for m in memory.get_all(user_id="nadia")] == ["Nadia live in Porto", "Tom live in Rome"]


def test_demo_output(memlora: Run, home: Path, moving: Path) -> None:
    said = memlora("demo", "--script", str(moving)).stdout
    shown = [
        "Moving house",
        "Session 1 · 6 May 2024, 18:30",
        "user  I live in Porto.",
        "assistant  I live in the cloud.",
        "ADD    User live in Porto",
        "ExpertOutputError",
        "Session 2 · 1 June 2024, 00:00",
        "UPDATE  User live in Porto → User live in Berlin  p 0.98",
        "(nothing to remember)",
        "Questions",
        "Where do I live?  update",
        "✓  Berlin",
        "read 1 June 2024: User live in Berlin",
        "What is my name?",
        "✗  I don't know that yet.",
        "expected Ana",
        "prompt tokens",
        "extract",
        "1 of 2 answers as expected",
        "memlora chat",
    ]
    position = 0
    for words in shown:
        assert words in said[position:], (words, said)
        position = said.index(words, position)
    assert not home.exists()


def test_demo_json_output(listed: Callable[..., Any], moving: Path) -> None:
    result = listed("demo", "--script", str(moving))
    assert (result["passed"], result["of"]) == (1, 2)
    (script,) = result["scripts"]
    assert [question["passed"] for question in script["questions"]] == [True, False]
    assert [operation["event"] for operation in script["operations"]] == ["ADD", "UPDATE"]
    assert script["errors"]
    assert script["usage"]


def test_scripts_run_compact_and_isolated(memlora: Run, moving: Path) -> None:
    other = moving.with_name("other.yaml")
    other.write_text(MOVING.replace("I live in", "I sleep in").replace("Moving house", "Other"))
    said = memlora("demo", "--script", str(moving.parent)).stdout
    assert "✓✗  1 of 2  Moving house" in said
    assert "✗✗  0 of 2  Other" in said
    assert "1 of 4 answers as expected" in said
    assert "Session" not in said


def test_require_sets_exit_code(memlora: Run, moving: Path) -> None:
    memlora("demo", "--script", str(moving), "--require", "0.5")
    assert (
        "50% as expected, but 90% were required"
        in memlora("demo", "--script", str(moving), "--require", "0.9", code=1).stderr
    )


def test_without_disables_experts(memlora: Run, opener: Opener, moving: Path) -> None:
    memlora("demo", "--script", str(moving), "--without", "generation", "--without", "memory_update")
    assert opener.without == (Role.GENERATION, Role.MEMORY_UPDATE)
