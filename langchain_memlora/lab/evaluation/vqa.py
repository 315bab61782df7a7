"""Evaluates the vision expert alone: questions about pictures, beside captions and constant answers."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_memlora.errors import ExpertOutputError, InvalidInputError
from langchain_memlora.experts import Experts
from langchain_memlora.lab.evaluation.benchmark import Watch, no_progress
from langchain_memlora.lab.evaluation.metrics.vqa import plain_answer, same_answer
from langchain_memlora.lab.evaluation.statistics import mcnemar, wilson
from langchain_memlora.lab.training.vision_rows import CAPTION, VisionRow

FROM_PIXELS, FROM_CAPTION, MAJORITY = "vision expert", "caption, read", "majority of the kind"


def evaluate_vqa(
    experts: Experts, rows: Sequence[VisionRow], *, limit: int | None = None, seed: int = 0, watch: Watch = no_progress
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Answer questions about pictures in three ways: from pixels, from a caption, and without either.

    The caption is the one among the rows (kind `caption`) if there is one, else the vision expert's; the generation expert
    reads it. The majority is the most frequent answer of its kind among these rows, which no constant can beat.

    Args:
        experts: With a vision expert, and a generation expert that reads captions.
        limit: Ask only this many questions, sampled with the seed.

    Returns:
        For each way its accuracy over all and by kind with intervals, the p-value of the difference between the first two
        (`p`, McNemar's test), and the seconds a question; and each question with its answers.

    Raises:
        InvalidInputError: There are no questions.
        VisionNotConfiguredError: There is no vision expert.
    """
    questions = [row for row in rows if row.kind != CAPTION]
    if not questions:
        msg = f"There are no questions among {len(rows)} rows. Pass rows of another kind than {CAPTION!r}."
        raise InvalidInputError(msg)
    drawn = sorted(random.Random(seed).sample(range(len(questions)), min(limit or len(questions), len(questions))))
    captions = {row.image: row.answer for row in rows if row.kind == CAPTION}
    constant = _majority([questions[place] for place in drawn])
    start, done = time.perf_counter(), []
    for place in drawn:
        row = questions[place]
        said = {
            FROM_PIXELS: _from_pixels(experts, row),
            FROM_CAPTION: _from_caption(experts, row, captions),
            MAJORITY: constant[row.kind],
        }
        done.append({"kind": row.kind, "question": row.question, "answer": row.answer, "said": said})
        watch("asking about pictures", len(done), len(drawn))
    return {**score_vqa_rows(done), "seconds": (time.perf_counter() - start) / len(done)}, done


def score_vqa_rows(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the accuracy of each way over all questions and by kind, and the p-value of the first two."""
    right = {way: [same_answer(row["said"][way], row["answer"]) for row in rows] for way in rows[0]["said"]}
    kinds = sorted({row["kind"] for row in rows})

    def share(values: Sequence[bool]) -> dict[str, Any] | None:
        found = wilson(sum(values), len(values))
        return found.as_dict() if found else None

    def of_kind(values: Sequence[bool], kind: str) -> list[bool]:
        return [value for value, row in zip(values, rows, strict=True) if row["kind"] == kind]

    first, second = list(right.values())[:2]
    return {
        "accuracy": {way: share(values) for way, values in right.items()},
        "by_kind": {way: {kind: share(of_kind(values, kind)) for kind in kinds} for way, values in right.items()},
        "p": mcnemar(first, second),
    }


def _majority(rows: Sequence[VisionRow]) -> dict[str, str]:
    counts: dict[str, Counter[str]] = {}
    for row in rows:
        counts.setdefault(row.kind, Counter())[plain_answer(row.answer)] += 1
    return {kind: found.most_common(1)[0][0] for kind, found in counts.items()}


def _from_pixels(experts: Experts, row: VisionRow) -> str:
    try:
        return experts.answer_about_images(row.question, "", [row.image])[0]
    except ExpertOutputError:  # an unreadable answer is a wrong one
        return ""


def _from_caption(experts: Experts, row: VisionRow, captions: dict[bytes, str]) -> str:
    """Answer from a caption; a missing one is written once."""
    if row.image not in captions:
        try:
            captions[row.image] = experts.caption([row.image])[0][0]
        except ExpertOutputError:
            captions[row.image] = ""
    return experts.answer(row.question, f"(picture: {captions[row.image]})")[0]
