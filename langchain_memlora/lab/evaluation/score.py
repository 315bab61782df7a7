"""Scores of answers: everything in `scores.json` that needs no model beyond the embedder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

from langchain_memlora.lab.evaluation.metrics.evidence import all_found, any_found
from langchain_memlora.lab.evaluation.metrics.overlap import bleu1, exact_match, rouge1
from langchain_memlora.lab.evaluation.metrics.similarity import similarities
from langchain_memlora.lab.evaluation.metrics.staleness import is_stale
from langchain_memlora.lab.evaluation.metrics.token_f1 import abstains
from langchain_memlora.lab.evaluation.runs import RecordedAnswer
from langchain_memlora.lab.evaluation.setups import MEMLORA
from langchain_memlora.lab.evaluation.statistics import (
    Difference,
    Estimate,
    bootstrap,
    mcnemar,
    paired_bootstrap,
    wilson,
)

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings

DEPTHS = (1, 5, 10, 20)
PRIMARY_DEPTH = 5
F1 = Callable[[str, str, str], float]


def score_answers(
    answers: Sequence[RecordedAnswer], f1: F1, embeddings: Embeddings, *, seed: int = 0
) -> dict[str, Any]:
    """Return all scores of a run: each setup alone, and each against the memory on the questions both answered.

    Args:
        f1: The data set's own score, of prediction, gold and category.
        embeddings: For the similarity of answers.
    """
    by_setup: dict[str, list[RecordedAnswer]] = {}
    for answer in answers:
        by_setup.setdefault(answer.setup, []).append(answer)
    others = [name for name in by_setup if name != MEMLORA]
    return {
        "setups": {name: _score_setup(given, f1, embeddings, seed) for name, given in by_setup.items()},
        "against": {
            name: compare(by_setup[MEMLORA], by_setup[name], f1, seed=seed) for name in others if MEMLORA in by_setup
        },
    }


def answer_f1(answer: RecordedAnswer, f1: F1) -> float:
    """Score one answer. If the conversation does not have it, abstaining is right and anything else wrong."""
    if not answer.gold:
        return float(not answer.known or abstains(answer.prediction))
    return f1(answer.prediction, answer.gold, answer.category)


def compare(a: Sequence[RecordedAnswer], b: Sequence[RecordedAnswer], f1: F1, *, seed: int = 0) -> dict[str, Any]:
    """Return how much better `a` is than `b` on the questions both answered.

    Returns:
        `f1` with interval and p by paired bootstrap; `evidence` with the same and McNemar's p, for an evidence turn
        among the first five hits.
    """
    mine, theirs = ({answer.question_id: answer for answer in given} for given in (a, b))
    both = [key for key in mine if key in theirs]
    with_evidence = [key for key in both if mine[key].evidence]
    sides = (mine, theirs)
    found = [[any_found(side[k].found, side[k].evidence, PRIMARY_DEPTH) for k in with_evidence] for side in sides]
    scores = [[answer_f1(side[key], f1) for key in both] for side in sides]
    evidence = paired_bootstrap(*found, seed=seed)
    return {
        "f1": _plain(paired_bootstrap(*scores, seed=seed)),
        "evidence": {**evidence.as_dict(), "mcnemar_p": mcnemar(*found)} if evidence else None,
    }


def _score_setup(answers: Sequence[RecordedAnswer], f1: F1, embeddings: Embeddings, seed: int) -> dict[str, Any]:
    answerable = [answer for answer in answers if answer.gold]
    unanswerable = [answer for answer in answers if not answer.gold]
    scores = {answer.question_id: answer_f1(answer, f1) for answer in answers}
    near = similarities(embeddings, [(answer.prediction, answer.gold) for answer in answerable])

    def over(given: Sequence[RecordedAnswer], value: Callable[[RecordedAnswer], float]) -> dict[str, Any] | None:
        return _plain(bootstrap([value(answer) for answer in given], seed=seed))

    def f1_over(given: Sequence[RecordedAnswer]) -> dict[str, Any] | None:
        return over(given, lambda answer: scores[answer.question_id])

    categories = sorted({answer.category for answer in answers})
    changed = [answer for answer in answerable if answer.stale]
    return {
        "f1": f1_over(answerable),
        "by_category": {c: f1_over([answer for answer in answers if answer.category == c]) for c in categories},
        "exact_match": over(answerable, lambda answer: exact_match(answer.prediction, answer.gold)),
        "bleu1": over(answerable, lambda answer: bleu1(answer.prediction, answer.gold)),
        "rouge1": over(answerable, lambda answer: rouge1(answer.prediction, answer.gold)),
        "similarity": _plain(bootstrap(near, seed=seed)),
        "evidence": _score_evidence([answer for answer in answerable if answer.evidence], f1_over),
        "abstained_rightly": _plain(wilson(sum(scores[a.question_id] == 1 for a in unanswerable), len(unanswerable))),
        "abstained_wrongly": _plain(wilson(sum(not answer.known for answer in answerable), len(answerable))),
        "stale": _plain(
            wilson(sum(is_stale(a.prediction, a.gold, a.stale or "", a.question) for a in changed), len(changed))
        ),
        "cost": {
            "prompt_tokens": fmean(answer.prompt_tokens for answer in answers),
            "completion_tokens": fmean(answer.completion_tokens for answer in answers),
            "seconds": fmean(answer.seconds for answer in answers),
        },
    }


def _score_evidence(answers: Sequence[RecordedAnswer], f1_over: Callable[..., Any]) -> dict[str, Any] | None:
    if not answers:
        return None
    n = len(answers)
    return {
        "any": {str(k): _plain(wilson(sum(any_found(a.found, a.evidence, k) for a in answers), n)) for k in DEPTHS},
        "all": {str(k): _plain(wilson(sum(all_found(a.found, a.evidence, k) for a in answers), n)) for k in DEPTHS},
        "shown": _plain(wilson(sum(bool(a.shown) for a in answers), n)),
        "all_shown": _plain(wilson(sum(set(a.shown) == set(a.evidence) for a in answers), n)),
        "f1_if_shown": f1_over([answer for answer in answers if answer.shown]),
        "f1_if_not_shown": f1_over([answer for answer in answers if not answer.shown]),
    }


def _plain(value: Estimate | Difference | None) -> dict[str, Any] | None:
    return None if value is None else value.as_dict()
