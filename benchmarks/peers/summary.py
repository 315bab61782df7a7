"""Summary of a run: a few figures for each contestant, without the data set's text."""

from __future__ import annotations

from statistics import median
from typing import Any

from benchmarks.peers.contestants import LENGTHS
from benchmarks.peers.material import Material
from langchain_memlora.lab.evaluation.metric_embeddings import METRIC_EMBEDDER
from langchain_memlora.lab.evaluation.metrics.facts import ReadWindow, match_facts
from langchain_memlora.lab.evaluation.metrics.token_f1 import locomo_f1
from langchain_memlora.models import default_embeddings

STAGES = ("extraction", "memory_update", "generation")
Figures = dict[str, Any]


def summarize(raw: Figures, material: Material) -> Figures:
    """Return the figures of a run, as in `docs/recorded/speed.json`."""
    gold = tuple((fact, None) for pair in material.pairs for fact in pair.facts)
    full = [bool(pair.facts) for pair in material.pairs]
    embeddings = default_embeddings(METRIC_EMBEDDER)
    found = {}
    for name, record in raw["records"].items():
        added, asked = record["add"], record["ask"]
        found[name] = {
            "engine": record["engine"],
            "pair": {
                "seconds": median(row["seconds"] for row in added),
                "seconds with facts": median(row["seconds"] for row, has in zip(added, full, strict=True) if has),
                "cpu": median(row["cpu"] for row in added),
                "stages": {stage: _mean(added, stage) for stage in STAGES[:2]},
                "rest": sum(row["seconds"] - _model(row) for row in added) / len(added),
            },
            "question": None if name in LENGTHS else _answers(asked, material),
            "given": name in LENGTHS,
            "known": len(record["known"]),
            "right": len(match_facts(embeddings, ReadWindow(gold, tuple(record["known"])))),
            "megabytes": record["megabytes"],
        }
    return {
        "machine": raw["machine"],
        "load": raw["load"],
        "pairs": len(material.pairs),
        "questions": len(material.questions),
        "annotated": len(gold),
        "contestants": found,
    }


def _answers(asked: list[Figures], material: Material) -> Figures:
    """Return cost and F1 of the answers."""
    scores = [
        locomo_f1(answer["result"], question.gold, question.category)
        for answer, question in zip(asked, material.questions, strict=True)
    ]
    return {
        "seconds": median(row["seconds"] for row in asked),
        "f1": sum(scores) / len(scores),
        "stages": {STAGES[2]: _mean(asked, STAGES[2])},
    }


def _mean(rows: list[Figures], stage: str) -> dict[str, float]:
    """Return calls, tokens and seconds of a stage per pair or question."""
    totals = [row["stages"].get(stage, {}) for row in rows]
    return {
        key: sum(total.get(key, 0) for total in totals) / len(rows) for key in ("calls", "read", "written", "seconds")
    }


def _model(row: Figures) -> float:
    return sum(stage["seconds"] for stage in row["stages"].values())
