"""Calibration of a judge: the share of right, wrong and vaguely wrong answers that it passes.

The answers are those of the LoCoMo audit (CC BY-NC 4.0), read from the user's own copy: answers of a large model that three
earlier votes all passed, deliberately wrong ones with a specific mistake, and deliberately wrong ones that stay vague.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from langchain_memlora.errors import InvalidInputError
from langchain_memlora.lab.evaluation.judge import Graded, Judge
from langchain_memlora.lab.evaluation.statistics import wilson

FILES = {
    "right": "full_context_gpt-4.1-mini.json",
    "wrong, specific": "wrong_specific_scored.json",
    "wrong, vague": "wrong_vague_scored.json",
}
SAMPLE = 100


def calibrate(judge: Judge, audit: Path, *, sample: int = SAMPLE, seed: int = 0) -> dict[str, dict[str, Any]]:
    """Return the share of each kind of answer that the judge passes, with its interval.

    Args:
        audit: Folder with the audit's three files of answers.
        sample: Number of answers of each kind, sampled with the seed.

    Raises:
        InvalidInputError: A file of the audit is missing or unreadable.
    """
    passed = {}
    for kind, answers in audited_answers(audit).items():
        drawn = random.Random(seed).sample(answers, min(sample, len(answers)))
        grades = judge.grade(drawn)
        share = wilson(sum(grade is True for grade in grades), len(grades))
        passed[kind] = {**(share.as_dict() if share else {}), "unreadable": sum(grade is None for grade in grades)}
    return passed


def audited_answers(audit: Path) -> dict[str, list[Graded]]:
    """Return the audit's answers by kind.

    Raises:
        InvalidInputError: A file of the audit is missing or unreadable.
    """
    found = {}
    for kind, name in FILES.items():
        try:
            groups = json.loads((audit / name).read_text(encoding="utf-8"))["detailed_results"].values()
            found[kind] = [
                Graded(row["question"], str(row["golden_answer"]), str(row["generated_answer"]))
                for group in groups
                for row in group
                if kind != "right" or all(row["llm_judgments"].values())
            ]
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            msg = f"{audit / name} can't be read ({error!r}). Pass the folder of the LoCoMo audit's answers."
            raise InvalidInputError(msg) from error
    return found
