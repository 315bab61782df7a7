"""Tests of questions about pictures from pixels, captions and a constant."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from support.pixels import png
from typer.testing import CliRunner

from langchain_memlora.bundles import Bundle, Role
from langchain_memlora.cli.app import app
from langchain_memlora.cli.setting import Setting
from langchain_memlora.errors import InvalidInputError, VisionNotConfiguredError
from langchain_memlora.experts import Experts, VisionExpert
from langchain_memlora.experts.vision import DESCRIBE
from langchain_memlora.lab.evaluation.metrics.vqa import same_answer
from langchain_memlora.lab.evaluation.report import write_report
from langchain_memlora.lab.evaluation.vqa import FROM_CAPTION, FROM_PIXELS, MAJORITY, evaluate_vqa
from langchain_memlora.lab.training.vision_rows import VisionRow
from langchain_memlora.testing import ScriptedEngine

RED, BLUE = png("red"), png("blue")
ROWS = [
    VisionRow(RED, "Which color?", "red", kind="color"),
    VisionRow(BLUE, "Which color?", "blue", kind="color"),
    VisionRow(RED, "How many?", "2", kind="count"),
    VisionRow(BLUE, "How many?", "3", kind="count"),
    VisionRow(BLUE, DESCRIBE, "three blue sheets", kind="caption"),
]


def sight(prompt: str) -> str:
    """Sees that everything is red and there are two; describes nothing but the color."""
    return "a red sheet" if DESCRIBE in prompt else "Two." if "many" in prompt else "Red"


def reader(prompt: str) -> str:
    return next((word for word in ("red", "blue") if f" {word} " in prompt and "color" in prompt), "unknown")


@pytest.fixture
def experts(bundle: Bundle) -> Experts:
    role = Role.VISION
    prompts, adapters = {**bundle.prompts, role: "{question}\n"}, {**bundle.adapters, role: Path("x")}
    seeing = dataclasses.replace(bundle, prompts=prompts, adapters=adapters)
    engine = ScriptedEngine(generation=reader, vision=sight)
    return Experts(seeing, engine, VisionExpert(seeing, engine))


def test_accuracy_by_way_and_kind(experts: Experts) -> None:
    scores, rows = evaluate_vqa(experts, ROWS)
    found = {way: {kind: share["mean"] for kind, share in kinds.items()} for way, kinds in scores["by_kind"].items()}
    assert found[FROM_PIXELS] == {"color": 0.5, "count": 0.5}
    assert found[FROM_CAPTION] == {"color": 1.0, "count": 0.0}  # red from its own caption, blue from the one given
    assert found[MAJORITY] == {"color": 0.5, "count": 0.5}
    assert {way: share["mean"] for way, share in scores["accuracy"].items()} == dict.fromkeys(found, 0.5)
    assert scores["p"] == 1.0
    assert [row["answer"] for row in rows] == ["red", "blue", "2", "3"]
    assert evaluate_vqa(experts, ROWS, limit=2)[0]["accuracy"][FROM_PIXELS]["n"] == 2


@pytest.mark.parametrize(
    ("said", "answer", "same"),
    [("Two", "2", True), (" Red. ", "red", True), ("two dogs", "2", False), ("", "no", False), ('"Yes"', "yes", True)],
)
def test_same_answer_normalises_text(said: str, answer: str, same: bool) -> None:
    assert same_answer(said, answer) is same


def test_missing_questions_or_vision_raise(experts: Experts) -> None:
    with pytest.raises(InvalidInputError, match="no questions among 1 rows"):
        evaluate_vqa(experts, ROWS[-1:])
    with pytest.raises(VisionNotConfiguredError):
        evaluate_vqa(Experts(experts.bundle, experts.engine), ROWS)


def test_evaluate_vqa_command(experts: Experts, tmp_path: Path, make_memory: Any) -> None:
    (tmp_path / "red.png").write_bytes(RED)
    lines = [
        {"image": "red.png", "kind": row.kind, "question": row.question, "answer": row.answer} for row in ROWS[::2]
    ]
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines[:2]))

    opened: list[dict[str, Any]] = []

    def opener(**options: Any) -> Any:
        opened.append(options)
        return make_memory(engine=experts.engine, experts=experts.bundle)

    setting = Setting(opener=opener)
    given = ["evaluate", "vqa", str(file), "--out", str(tmp_path / "run")]
    done = CliRunner().invoke(app, given, obj=setting)
    assert done.exit_code == 0, done.output
    assert "vision expert" in done.output
    scores = json.loads((tmp_path / "run" / "scores.json").read_text())["vqa"]
    assert scores["accuracy"][FROM_PIXELS]["mean"] == 1.0
    write_report([tmp_path / "run"], tmp_path / "report")
    assert "| vision expert | 1.000 [" in (tmp_path / "report" / "report.md").read_text()
    assert CliRunner().invoke(app, [*given, "--bundle", "smollm2-135m-locomo"], obj=setting).exit_code == 0
    asked = [{name: value for name, value in options.items() if name != "path"} for options in opened]
    assert asked == [{"experts": setting.experts}, {"experts": setting.experts, "vision": "smollm2-135m-locomo"}]
    assert json.loads((tmp_path / "run" / "config.json").read_text())["reader"] == setting.experts
    refused = CliRunner().invoke(app, ["evaluate", "vqa", str(tmp_path / "nowhere"), "--out", str(tmp_path / "run")])
    assert "nowhere can't be read" in " ".join(refused.output.split())
    refused = CliRunner().invoke(app, ["evaluate", "vqa", "--out", str(tmp_path / "run")])
    assert refused.exit_code != 0
    assert "needs a file of rows" in refused.output
