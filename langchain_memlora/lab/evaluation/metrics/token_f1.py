"""F1 over stemmed words, and LoCoMo's way of applying it by category.

Source: the scorer published with LoCoMo (arXiv 2402.17753), task_eval/evaluation.py. Stems are Porter's by snowballstemmer;
the published scorer uses NLTK's, which differ for a few words (see docs/benchmark.md).
"""

from __future__ import annotations

from langchain_memlora.lab.evaluation.metrics.words import stems
from langchain_memlora.testing.token_f1 import token_f1 as overlap

MULTI_HOP, OPEN_DOMAIN = "1", "3"
NOT_TOLD = ("no information available", "not mentioned")


def token_f1(prediction: str, gold: str) -> float:
    """Return the harmonic mean of precision and recall over stemmed words, with multiplicity.

    Example:
        ```python
        from langchain_memlora.lab.evaluation.metrics.token_f1 import token_f1

        assert token_f1("in May 2023", "May 2023") == 0.8
        ```
    """
    return overlap(stems(prediction), stems(gold))


def list_f1(prediction: str, gold: str) -> float:
    """Score answers that are lists: each part of the gold answer by its best match among the predicted parts."""
    said, right = ([part.strip() for part in text.split(",")] for text in (prediction, gold))
    return sum(max(token_f1(part, wanted) for part in said) for wanted in right) / len(right)


def locomo_f1(prediction: str, gold: str, category: str) -> float:
    """Return LoCoMo's score of one answer: lists in category 1, only the first gold in category 3."""
    if category == MULTI_HOP:
        return list_f1(prediction, gold)
    return token_f1(prediction, gold.split(";")[0].strip() if category == OPEN_DOMAIN else gold)


def plain_f1(prediction: str, gold: str, category: str) -> float:
    """Return the score for data sets without rules of their own."""
    return token_f1(prediction, gold)


def abstains(prediction: str) -> bool:
    """Return whether an answer abstains, in the words that LoCoMo's scorer accepts."""
    return any(phrase in prediction.casefold() for phrase in NOT_TOLD)
