"""Tests of the measures and thresholds of chosen sentences."""

from typing import Any

import numpy as np
import pytest

from langchain_memlora.bundles.bundle import ChoiceSpec
from langchain_memlora.lab.training.choice_scores import auc, calibrate, measure

NONE, FORGET, ALONE, BEFORE, LATER = 0, 1, 2, 3, 6


def _answers(messages: list[list[tuple[int, float, float]]]) -> tuple[Any, Any]:
    """Answers of messages of (label, states, share that needs more)."""
    longest = max(map(len, messages))
    probabilities = np.full((len(messages), longest, 7), -100.0)
    labels = np.full((len(messages), longest), -100)
    for m, message in enumerate(messages):
        for s, (label, states, needs) in enumerate(message):
            probabilities[m, s] = [1 - states, 0, states * (1 - needs), states * needs, 0, 0, 0]
            labels[m, s] = label
    return probabilities, labels


def test_auc() -> None:
    assert auc(np.array([0.5, 0.9]), np.array([0.1, 0.5])) == 0.875
    assert auc(np.array([]), np.array([0.1])) == 0.5


def test_measures() -> None:
    messages = [
        [(NONE, 0.2, 0), (NONE, 0.6, 0)],
        [(NONE, 0.1, 0)],
        [(ALONE, 0.9, 0.1), (BEFORE, 0.4, 0.8), (NONE, 0.95, 0)],
    ]
    found = measure(*_answers(messages))
    assert found["states_auc"] == round(5 / 8, 4)  # of eight pairs .95 wins two and .6 one
    assert found["needs_auc"] == 1
    assert found["auc"] == found["states_auc"]
    assert (found["recall_0.3"], found["recall_0.5"]) == (1, 0.5)
    assert (found["silence_0.3"], found["silence_0.7"]) == (0.5, 1)
    assert found["recall_at_95"] == 0.5  # above 0.6, the loudest of silent messages


def test_calibration() -> None:
    silent = [[(NONE, n / 200, 0)] for n in range(100)]
    stated = [[(ALONE, 0.9, 0.2)] for _ in range(20)] + [[(BEFORE, 0.8, 0.65)] for _ in range(20)]
    probabilities, labels = _answers(silent + stated)
    choice = calibrate(probabilities, labels, ChoiceSpec(later=0.4))
    assert choice.states == pytest.approx(0.481)  # three of a hundred are above
    assert (choice.forget, choice.needs, choice.later) == (0.5, 0.5, 0.4)
    probabilities[..., 3] = np.where(labels == BEFORE, 0.2, 0.01) * probabilities[..., 2:4].sum(-1)
    probabilities[0, 0, FORGET] = 0.8
    choice = calibrate(probabilities, labels, ChoiceSpec())
    assert choice.forget == pytest.approx(0.801)
    assert 0.1 < choice.needs < 0.5


def test_few_messages_keep_the_defaults() -> None:
    assert calibrate(*_answers([[(NONE, 0.7, 0)], [(LATER, 0.9, 0)]]), ChoiceSpec(states=0.3)).states == 0.3
