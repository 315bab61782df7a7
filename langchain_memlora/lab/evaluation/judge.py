"""J: a chat model grades answers. Two prompts: a generous one, in the spirit of the published one, and a strict one.

`calibration.py` measures how far a judge can be trusted; every J is reported beside that.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from langchain_memlora.errors import InvalidInputError
from langchain_memlora.lab.evaluation.runs import append_lines, read_answers, read_json, read_lines, write_json
from langchain_memlora.lab.evaluation.statistics import wilson

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel, LanguageModelInput

Strictness = Literal["generous", "strict"]
PROMPTS: dict[Strictness, str] = {
    "generous": """You grade an answer that someone gave about a long conversation.

Question: {question}
Right answer: {gold}
Answer to grade: {prediction}

Be generous. If the answer is about the same thing as the right answer, grade it CORRECT, however it is worded and however \
much longer it is. For dates and times, the same day or period in any form of words is CORRECT. Otherwise grade it WRONG.
Give one sentence of reasons, then only this JSON: {{"label": "CORRECT"}} or {{"label": "WRONG"}}""",
    "strict": """You grade an answer that someone gave about a long conversation.

Question: {question}
Right answer: {gold}
Answer to grade: {prediction}

Grade it CORRECT only if it says everything that the right answer says and nothing that contradicts it. Another wording is \
fine. A vaguer answer, a part of a list, the right topic with the wrong detail, or another date is WRONG.
Give one sentence of reasons, then only this JSON: {{"label": "CORRECT"}} or {{"label": "WRONG"}}""",
}
_LABEL = re.compile(r"\b(CORRECT|WRONG)\b")


@dataclass(frozen=True, slots=True)
class Graded:
    """A question with the right answer and the one to grade."""

    question: str
    gold: str
    prediction: str


class Judge:
    """Grades answers with a LangChain chat model.

    Args:
        model: Its temperature should be 0.
        strictness: The prompt to use.
        together: Answers graded at once, by the model's own `batch`.

    Example:
        ```python
        from langchain_core.language_models import FakeListChatModel
        from langchain_memlora.lab.evaluation.judge import Graded, Judge

        judge = Judge(FakeListChatModel(responses=['Same city. {"label": "CORRECT"}']))
        assert judge.grade([Graded("Where does Ana live?", "Berlin", "in Berlin")]) == [True]
        ```
    """

    def __init__(self, model: BaseChatModel, strictness: Strictness = "generous", *, together: int = 8) -> None:
        if strictness not in PROMPTS:
            msg = f"strictness is {strictness!r}. Use one of {', '.join(PROMPTS)}."
            raise InvalidInputError(msg)
        self.model = model
        self.strictness: Strictness = strictness
        self.together = together

    def grade(self, answers: Sequence[Graded]) -> list[bool | None]:
        """Return whether each answer is right; `None` if the model's text has no label."""
        prompts: list[LanguageModelInput] = [
            PROMPTS[self.strictness].format(question=a.question, gold=a.gold, prediction=a.prediction or "(nothing)")
            for a in answers
        ]
        replies = self.model.batch(prompts, config={"max_concurrency": self.together})
        return [read_label(reply.text) for reply in replies]


def read_label(text: str) -> bool | None:
    """Return the last label in a judge's text; the reasons before it may name both."""
    found = _LABEL.findall(text)
    return found[-1] == "CORRECT" if found else None


def judge_run(path: Path, judge: Judge, name: str) -> dict[str, dict[str, Any]]:
    """Grade a run's answers to questions that can be answered, and keep the grades in its `judged.jsonl`.

    Existing grades are kept, including those of an outside judge: lines of `judge`, `strictness`, `setup`,
    `question_id` and `right`.

    Args:
        name: Name of the judge.

    Returns:
        J for each setup: share of right answers with its interval, and `unreadable` grades, which count as wrong.
    """
    file = path / "judged.jsonl"
    key = (name, judge.strictness)
    mine = [row for row in read_lines(file) if (row["judge"], row["strictness"]) == key]
    done = {(row["setup"], row["question_id"]) for row in mine}
    left = [answer for answer in read_answers(path) if answer.gold and answer.key not in done]
    for first in range(0, len(left), judge.together):
        group = left[first : first + judge.together]
        grades = judge.grade([Graded(a.question, a.gold, a.prediction) for a in group])
        rows = [
            {"judge": name, "strictness": judge.strictness, "setup": a.setup, "question_id": a.question_id, "right": g}
            for a, g in zip(group, grades, strict=True)
        ]
        append_lines(file, rows)
        mine += rows
    return {setup: _share([row["right"] for row in mine if row["setup"] == setup]) for setup in _setups(mine)}


def _setups(rows: Sequence[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(row["setup"] for row in rows))


def _share(grades: Sequence[bool | None]) -> dict[str, Any]:
    share = wilson(sum(grade is True for grade in grades), len(grades))
    return {**(share.as_dict() if share else {}), "unreadable": sum(grade is None for grade in grades)}


def save_judgement(path: Path, name: str, strictness: str, scores: dict[str, Any], calibration: dict[str, Any]) -> None:
    """Write J and the judge's calibration into the run's `judge.json`."""
    file = path / "judge.json"
    known = read_json(file) if file.exists() else []
    others = [entry for entry in known if (entry["judge"], entry["strictness"]) != (name, strictness)]
    entry = {"judge": name, "strictness": strictness, "setups": scores, "calibration": calibration}
    write_json(file, [*others, entry])
