"""Tests of published annotations converted to stories."""

from datetime import UTC, datetime
from pathlib import Path

from support.locomo import FILE, needs_locomo
from typer.testing import CliRunner

from langchain_memlora.bundles import load_bundle
from langchain_memlora.cli.app import app
from langchain_memlora.lab.evaluation.conversations import AnnotatedFact, AnnotatedQuestion, Conversation
from langchain_memlora.lab.evaluation.datasets.as_story import story_of
from langchain_memlora.lab.evaluation.datasets.locomo import load_locomo
from langchain_memlora.lab.training.rows import extraction_rows, story_sessions
from langchain_memlora.lab.training.stories import load_stories
from langchain_memlora.types import Scope, Turn


def said(by: str, text: str, day: int, message_id: str) -> Turn:
    at = datetime(2024, 3, day, 9, tzinfo=UTC)
    return Turn("", Scope("c"), "user", text, at, speaker=by, message_id=message_id)


TALK = Conversation(
    "c",
    (said("Ana", "I bake.", 4, "D1:1"), said("Tom", "Nice!", 4, "D1:2"), said("Tom", "I ski.", 5, "D2:1")),
    (
        AnnotatedQuestion("c/0", "What does Tom do?", "ski", "4", frozenset({"D2:1", "D9:9"})),
        AnnotatedQuestion("c/1", "Why?", "", "5"),
    ),
    (AnnotatedFact("Ana bakes.", "D1:1"), AnnotatedFact("Both like snow.", "D2:1"), AnnotatedFact("Tom skis.", "D2:1")),
)


def test_story_of_conversation() -> None:
    story = story_of(TALK)
    assert [[turn.by for turn in session.turns] for session in story.sessions] == [["Ana", "Tom"], ["Tom"]]
    assert [[fact.fact for fact in turn.facts] for s in story.sessions for turn in s.turns] == [
        ["bakes."],
        [],
        ["skis."],
    ]
    known, unknown = story.questions
    assert (known.a, known.sources) == ("ski", ["1.0"])
    assert (unknown.a, unknown.sources) == (None, [])


@needs_locomo
def test_stories_command(tmp_path: Path) -> None:
    out = tmp_path / "made" / "stories.jsonl"
    ran = CliRunner().invoke(app, ["stories", str(FILE), "--out", str(out), "--conversations", "1,2"])
    assert ran.exit_code == 0, ran.output
    assert [story.id for story in load_stories(out)] == ["conv-26", "conv-30"]


@needs_locomo
def test_locomo_story_yields_rows() -> None:
    story = story_of(load_locomo(FILE, (1,))[0])
    rows = extraction_rows(load_bundle("smollm2-135m-locomo"), story_sessions([story]))
    told = [row for row in rows if row["completion"][0]["content"] != "none"]
    assert len(story.sessions) == 19
    assert len(told) > 80
