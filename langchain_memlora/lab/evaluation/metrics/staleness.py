"""Answers that were right before something changed."""

from __future__ import annotations

from langchain_memlora.lab.evaluation.metrics.token_f1 import token_f1
from langchain_memlora.lab.evaluation.metrics.words import stems
from langchain_memlora.ledger.lexical import words

RIGHT = 0.5


def is_stale(prediction: str, gold: str, stale: str, question: str) -> bool:
    """Return whether an answer states what was superseded.

    True if it misses the right answer (F1 under 0.5) and has a content word of the superseded text that is neither in the
    right answer nor in the question.

    Args:
        stale: The superseded fact or answer.
    """
    revealing = set(stems(" ".join(words(stale)))) - set(stems(gold)) - set(stems(question))
    return token_f1(prediction, gold) < RIGHT and bool(revealing & set(stems(prediction)))
