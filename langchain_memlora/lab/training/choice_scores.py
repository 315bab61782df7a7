"""Measures of the answers to the question about sentences, and the thresholds of a card, on held-out messages.

Silence counts messages: one in which no sentence states something is silent if none is chosen. The other measures count
sentences.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from langchain_memlora.bundles.bundle import ChoiceSpec
from langchain_memlora.experts.sentence_prompt import ALONE, BEFORE, CONTEXT, EARLIER, FORGET, LABELS, LATER

SILENCE = 0.97
"""Share of the silent messages that stay silent at the card's threshold."""

MESSAGES_A_FALSE_FORGET = 300
FEWEST = 10
"""Sentences of either kind, below which a threshold keeps its default."""

_FORGET, _LATER = LABELS.index(FORGET), LABELS.index(LATER)
_STATES = LABELS.index(ALONE)
"""The first label of a sentence that states something."""
_NEEDS = slice(LABELS.index(BEFORE), LABELS.index(CONTEXT) + 1)
_NEEDING = [LABELS.index(label) for label in (BEFORE, EARLIER, CONTEXT)]
Array = Any


def measure(probabilities: Array, labels: Array) -> dict[str, float]:
    """Measure answers.

    Args:
        probabilities: Of shape (messages, sentences, 7).
        labels: Of shape (messages, sentences); -100 where a message has fewer sentences.

    Returns:
        `states_auc` and `needs_auc`, of the first and the second question; `auc`, their product; `recall_at_95`, the recall of
        sentences at the threshold for 95 % silence; recall and silence at three thresholds.
    """
    states, stated = _states(probabilities), labels >= _STATES
    needs, needing, asked = _needs(probabilities, labels)
    first, second = auc(states[stated], states[(labels >= 0) & ~stated]), auc(needs[needing], needs[asked & ~needing])
    found = {"states_auc": first, "needs_auc": second, "auc": first * second}
    silent = _loudest(states, labels)
    found["recall_at_95"] = _share(states[stated] >= _quiet(silent, 0.95))
    for threshold in (0.3, 0.5, 0.7):
        found[f"recall_{threshold}"] = _share(states[stated] >= threshold)
        found[f"silence_{threshold}"] = _share(silent < threshold)
    return {name: round(value, 4) for name, value in found.items()}


def calibrate(probabilities: Array, labels: Array, spec: ChoiceSpec) -> ChoiceSpec:
    """Return a card's thresholds; those for which the messages have too few examples are taken from `spec`.

    * `states`: the lowest that keeps 97 % of the silent messages silent.
    * `forget`: the lowest, but at least a half, with no more than one false request to forget in 300 messages.
    * `needs`, `later`: those with the highest balanced accuracy.
    """
    states, stated = _states(probabilities), labels >= _STATES
    changes: dict[str, float] = {}
    silent = _loudest(states, labels)
    if len(silent) >= FEWEST:
        changes["states"] = _quiet(silent, SILENCE)
    false = np.where((labels >= 0) & (labels != _FORGET), probabilities[..., _FORGET], 0.0).max(axis=1)
    changes["forget"] = max(0.5, _above(false, len(false) // MESSAGES_A_FALSE_FORGET))
    needs, needing, asked = _needs(probabilities, labels)
    later = probabilities[..., _LATER] / states
    for name, scores, right, among in (
        ("needs", needs, needing, asked),
        ("later", later, labels == _LATER, stated),
    ):
        if min((right & among).sum(), (~right & among).sum()) >= FEWEST:
            changes[name] = _balanced(scores[among], right[among])
    return spec.model_copy(update=changes)


def auc(positive: Array, negative: Array) -> float:
    """Return the probability that a positive scores above a negative; a half if either is missing."""
    if not len(positive) or not len(negative):
        return 0.5
    wins = np.searchsorted(np.sort(negative), positive, side="left")
    ties = np.searchsorted(np.sort(negative), positive, side="right") - wins
    return float((wins + ties / 2).mean() / len(negative))


def _states(probabilities: Array) -> Array:
    """Return the probability that a sentence states something."""
    return np.maximum(probabilities[..., _STATES:].sum(axis=-1), 1e-9)


def _needs(probabilities: Array, labels: Array) -> tuple[Array, Array, Array]:
    """Return how probably each sentence needs what is before it, whether it does, and whether it is asked."""
    needing = np.isin(labels, _NEEDING)
    return probabilities[..., _NEEDS].sum(axis=-1) / _states(probabilities), needing, needing | (labels == _STATES)


def _loudest(states: Array, labels: Array) -> Array:
    """Return, for each silent message, the highest probability of its sentences."""
    silent = (labels < _STATES).all(axis=1)
    return np.where(labels >= 0, states, 0.0)[silent].max(axis=1)


def _quiet(loudest: Array, share: float) -> float:
    return _above(loudest, int((1 - share) * len(loudest) + 1e-9))


def _above(scores: Array, exceptions: int) -> float:
    """Return the lowest threshold, in thousandths, that all scores but some are below."""
    if exceptions >= len(scores):
        return 0.0
    return min(1.0, (int(np.sort(scores)[::-1][exceptions] * 1000) + 1) / 1000)


def _share(right: Array) -> float:
    return float(np.mean(right)) if right.size else 1.0


def _balanced(scores: Array, right: Array) -> float:
    def accuracy(threshold: float) -> float:
        return float(np.mean(scores[right] >= threshold) + np.mean(scores[~right] < threshold))

    thresholds = sorted((number / 20 for number in range(1, 20)), key=lambda threshold: abs(threshold - 0.5))
    return max(thresholds, key=accuracy)  # of equal ones the nearest to a half
