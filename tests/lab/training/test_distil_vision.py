"""Tests of distilling pictures with a rule-based teacher."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from PIL import Image
from pydantic import Field
from support.pixels import png
from typer.testing import CliRunner

from langchain_memlora.cli.app import app
from langchain_memlora.engines import Completion
from langchain_memlora.errors import InvalidInputError
from langchain_memlora.experts.dialects import DIALECTS
from langchain_memlora.experts.vision import DESCRIBE
from langchain_memlora.lab.training.distil_vision import KINDS, distil_vision
from langchain_memlora.lab.training.teacher import Teacher
from langchain_memlora.lab.training.vision_cleaning import clean_picture_question
from langchain_memlora.lab.training.vision_rows import CAPTION, load_vision_rows

COLOURS = {(255, 0, 0): "red", (0, 0, 255): "blue"}


class VisionTeacher(BaseChatModel):
    """Answers by the colour in the middle of the picture."""

    calls: list[str] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "looker"

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        picture, prompt = messages[0].content
        image = Image.open(io.BytesIO(base64.b64decode(picture["base64"]))).convert("RGB")
        colour = COLOURS[image.getpixel((image.width // 2, image.height // 2))]
        self.calls.append(colour)
        if "describe it" in prompt["text"]:
            said = {"caption": f"A {colour} sheet."}
        elif "counted" in prompt["text"]:
            said = {"question": "How many sheets?", "answer": "one of them", "reason": "There is one."}
        else:
            said = {"question": "Which color is it?", "answer": f"{colour}.", "reason": f"The sheet is {colour}."}
        text = f"<think>Hm.</think>Here: {json.dumps(said)}"
        return ChatResult(generations=[ChatGeneration(message=AIMessage(text))])


@pytest.fixture
def album(tmp_path: Path) -> Path:
    (tmp_path / "album" / "old").mkdir(parents=True)
    (tmp_path / "album" / "red.png").write_bytes(png("red"))
    (tmp_path / "album" / "old" / "blue.PNG").write_bytes(png("blue"))
    (tmp_path / "album" / "notes.txt").write_text("no picture")
    return tmp_path / "album"


def test_teacher_captions_and_questions_become_rows(album: Path, tmp_path: Path) -> None:
    out, looker = tmp_path / "out", VisionTeacher()
    made = distil_vision([album], Teacher(looker, out / "replies.jsonl"), out)
    assert sorted(looker.calls) == ["blue"] * 4 + ["red"] * 4
    rows = load_vision_rows(out / "rows" / "vision.jsonl")
    told = {(row.kind, row.question, row.answer, row.reason) for row in rows}
    asked = ("Which color is it?", "red", "The sheet is red")
    assert {(CAPTION, DESCRIBE, "A red sheet", ""), ("object", *asked), ("color", *asked)} <= told
    assert {row.kind for row in rows} == {CAPTION, *KINDS} - {"count"}
    dropped = [record.dropped for record in made.records["vision"] if record.dropped]
    assert dropped == ["'one of them' is more than one word"] * 2
    again = distil_vision([album], Teacher(looker, out / "replies.jsonl"), out)
    assert len(looker.calls) == 8  # nothing is asked twice
    assert again.rows == made.rows


def test_empty_folder_and_broken_image(album: Path, tmp_path: Path) -> None:
    teacher = Teacher(VisionTeacher(), tmp_path / "replies.jsonl")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidInputError, match=r"No pictures were found in .*empty"):
        distil_vision([tmp_path / "empty"], teacher, tmp_path / "out")
    (album / "broken.jpg").write_bytes(png("red", (80, 60))[:45])
    (album / "folder.png").mkdir()
    named = album / "unnamed"  # what is named is taken whatever it is called, and once
    named.write_bytes(png("blue"))
    made = distil_vision([album, named, album / "red.png"], teacher, tmp_path / "out")
    assert {record.source.split(": ")[0] for record in made.records["vision"] if record.key} == {
        str(album / name) for name in ("red.png", "old/blue.PNG", "unnamed")
    }
    [broken] = [record for record in made.records["vision"] if not record.key]
    assert broken.source == str(album / "broken.jpg")
    assert "broken.jpg: An image" in str(broken.dropped)
    assert len(load_vision_rows(tmp_path / "out" / "rows" / "vision.jsonl")) == 9


def test_rows_resolve_pictures_through_symlink(album: Path, tmp_path: Path) -> None:
    (tmp_path / "far" / "away").mkdir(parents=True)
    (tmp_path / "runs").symlink_to(tmp_path / "far" / "away")
    distil_vision([album], Teacher(VisionTeacher(), tmp_path / "replies.jsonl"), tmp_path / "runs" / "out")
    assert load_vision_rows(tmp_path / "runs" / "out" / "rows" / "vision.jsonl")


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ({"question": "How many?", "answer": 0, "reason": "None is there."}, "0"),
        ({"question": "Is it?", "answer": "Yes.", "reason": "It is."}, "Yes"),
        ({"question": "Is it?", "answer": "", "reason": "It is."}, None),
        ({"question": "Is it?", "answer": "Yes", "reason": "because " * 40}, None),
    ],
)
def test_reply_is_cleaned_or_dropped(said: dict[str, Any], answer: str | None) -> None:
    assert (clean_picture_question(json.dumps(said)).target or None) == answer


@pytest.mark.parametrize("dialect", DIALECTS.values())
def test_vision_target_is_readable(dialect: Any) -> None:
    written = dialect().write_vision("two", "One sits, one runs.")
    assert dialect().read_vision(Completion(written, (), 1)) == "two"


def test_distil_vision_command(album: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.jsonl"
    say = json.dumps({"question": "Which?", "answer": "red", "reason": "It is."})
    lines = [{"when": "describe it", "say": '{"caption": "a sheet"}'}, {"when": "one question", "say": say}]
    script.write_text("".join(json.dumps(line) + "\n" for line in lines))
    given = ["distil", str(album), "--teacher", f"script:{script}", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, [*given, "--vision"])
    assert done.exit_code == 0, done.output
    assert "vision: 8 calls" in done.output
    assert "8 rows" in done.output
    assert len(load_vision_rows(tmp_path / "out" / "rows" / "vision.jsonl")) == 8
    refused = CliRunner().invoke(app, [*given, "--vision", "--keep-thoughts"])
    assert "--keep-thoughts, which only applies to chats" in refused.output
    refused = CliRunner().invoke(app, given)
    assert refused.exit_code != 0
    assert "is a folder" in refused.output
