"""Tests of the judge, its stored grades and its calibration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from langchain_memlora.errors import InvalidInputError
from langchain_memlora.lab.evaluation import Judge, calibrate, judge_run
from langchain_memlora.lab.evaluation.judge import Graded, read_label
from langchain_memlora.lab.evaluation.runs import RecordedAnswer, RunFolder, append_lines, read_lines


class SameWords(BaseChatModel):
    """Accepts an answer contained in the gold one, and writes no label for `mumble`."""

    asked: list[str]

    @property
    def _llm_type(self) -> str:
        return "same-words"

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **_: Any) -> ChatResult:
        prompt = messages[-1].text
        self.asked.append(prompt)
        gold, said = (
            next(line.split(": ", 1)[1] for line in prompt.splitlines() if line.startswith(key))
            for key in ("Right answer", "Answer to grade")
        )
        label = "CORRECT" if said in gold else "WRONG"
        text = "Hm." if said == "mumble" else f'Not WRONG by itself. {{"label": "{label}"}}'
        return ChatResult(generations=[ChatGeneration(message=AIMessage(text))])


def answered(number: int, prediction: str, gold: str = "in Berlin") -> RecordedAnswer:
    return RecordedAnswer(
        "memlora", "c", f"c/{number}", "Where?", "4", gold, None, prediction, True, [], [], [], "", 1, 1, 0.1
    )


def test_last_label_counts() -> None:
    assert read_label('It is not WRONG. {"label": "CORRECT"}') is True
    assert read_label('{"label": "WRONG"}') is False
    assert read_label("incorrect") is None


def test_prompts_differ_by_strictness() -> None:
    generous, strict = SameWords(asked=[]), SameWords(asked=[])
    asked = [Graded("Where?", "in Berlin", "Berlin")]
    assert Judge(generous).grade(asked) == Judge(strict, "strict").grade(asked) == [True]
    assert "generous" in generous.asked[0]
    assert "generous" not in strict.asked[0]
    with pytest.raises(InvalidInputError, match="kind"):
        Judge(generous, "kind")  # type: ignore[arg-type]


def test_braces_in_answers_are_kept() -> None:
    assert Judge(SameWords(asked=[])).grade([Graded("{x}", "{gold}", "{gold}")]) == [True]


def test_run_is_graded_once(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run", {"seed": 0})
    run.append([answered(1, "Berlin"), answered(2, "Porto"), answered(3, "mumble"), answered(4, "Berlin", gold="")])
    model = SameWords(asked=[])
    found = judge_run(run.path, Judge(model), "same")["memlora"]
    assert (found["mean"], found["n"], found["unreadable"]) == (pytest.approx(1 / 3), 3, 1)
    assert judge_run(run.path, Judge(model), "same")["memlora"] == found
    assert len(model.asked) == 3
    assert len(read_lines(run.path / "judged.jsonl")) == 3


def test_external_grades_are_reused(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run", {"seed": 0})
    run.append([answered(1, "Porto")])
    given = {"judge": "a person", "strictness": "strict", "setup": "memlora", "question_id": "c/1", "right": True}
    append_lines(run.path / "judged.jsonl", [given])
    model = SameWords(asked=[])
    assert judge_run(run.path, Judge(model, "strict"), "a person")["memlora"]["mean"] == 1.0
    assert model.asked == []


def audit(folder: Path) -> Path:
    def rows(*answers: str, votes: bool) -> str:
        row = {"question": "Where?", "golden_answer": "in Berlin", "category": "4"}
        judged = {"judgment_1": votes, "judgment_2": True}
        return json.dumps(
            {"detailed_results": {"a": [{**row, "generated_answer": a, "llm_judgments": judged} for a in answers]}}
        )

    (folder / "full_context_gpt-4.1-mini.json").write_text(rows("Berlin", "in Berlin", votes=True))
    (folder / "wrong_specific_scored.json").write_text(rows("Porto", "Rome", votes=False))
    (folder / "wrong_vague_scored.json").write_text(rows("in", "a town", votes=False))
    return folder


def test_calibration_measures_accepted_answers(tmp_path: Path) -> None:
    found = calibrate(Judge(SameWords(asked=[])), audit(tmp_path), sample=10)
    assert {kind: share["mean"] for kind, share in found.items()} == {
        "right": 1.0,
        "wrong, specific": 0.0,
        "wrong, vague": 0.5,
    }
    assert found["right"]["n"] == 2
    (tmp_path / "wrong_vague_scored.json").unlink()
    with pytest.raises(InvalidInputError, match="wrong_vague"):
        calibrate(Judge(SameWords(asked=[])), tmp_path)
