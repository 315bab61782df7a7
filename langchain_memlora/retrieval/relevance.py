"""Probabilities of relevance from the scores of the search's stages.

`python -m benchmarks.search.fit` fits the regressions on questions of the stories that this project wrote for training: with
their evidence, and, as many, asked of memories that do not hold the answer. It rewrites their lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Logistic:
    """A logistic regression of one score."""

    weight: float
    intercept: float

    def probabilities(self, scores: Sequence[float] | np.ndarray) -> np.ndarray:
        """Return the probability that belongs to each score; it rises with the score."""
        logits = self.weight * np.asarray(scores, dtype=np.float64) + self.intercept
        found: np.ndarray = 1 / (1 + np.exp(-np.clip(logits, -50, 50)))
        return found

    def score_of(self, probability: float) -> float:
        """Return the score that has this probability."""
        return float((np.log(probability / (1 - probability)) - self.intercept) / self.weight)


FIRST_STAGE = Logistic(weight=6.987, intercept=-5.629)
LATE_INTERACTION = Logistic(weight=22.955, intercept=-18.097)
CROSS_ENCODER = Logistic(weight=0.735, intercept=-0.091)
FLOOR = 0.1
"""Probability below which the middleware recalls nothing. `python -m benchmarks.search` measures what each threshold keeps."""
