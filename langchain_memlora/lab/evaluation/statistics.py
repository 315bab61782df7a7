"""Statistics of scores: bootstrap intervals, paired differences between systems, McNemar's test, kappa. Seeded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

RESAMPLES = 10_000
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its 95 % interval.

    Attributes:
        n: Number of values.
    """

    mean: float
    low: float
    high: float
    n: int

    as_dict = asdict


@dataclass(frozen=True, slots=True)
class Difference:
    """A mean difference between two systems on the same questions.

    Attributes:
        p: Two-sided; its smallest value is set by the number of resamples.
    """

    mean: float
    low: float
    high: float
    p: float
    n: int

    as_dict = asdict


def bootstrap(values: Sequence[float], *, seed: int = 0, resamples: int = RESAMPLES) -> Estimate | None:
    """Return the mean with a percentile bootstrap interval; `None` without values.

    Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993.

    Example:
        ```python
        from langchain_memlora.lab.evaluation.statistics import bootstrap

        estimate = bootstrap([0.0, 1.0] * 50)
        assert estimate.low < 0.5 < estimate.high
        ```
    """
    if not len(values):
        return None
    given = np.asarray(values, dtype=float)
    low, high = _interval(_resampled_means(given, seed, resamples))
    return Estimate(float(given.mean()), low, high, len(given))


def paired_bootstrap(
    a: Sequence[float], b: Sequence[float], *, seed: int = 0, resamples: int = RESAMPLES
) -> Difference | None:
    """Return the mean of a - b over questions, with its interval and a p-value.

    Args:
        a: One score for each question.
        b: The other system's scores of the same questions in the same order.
    """
    if not len(a):
        return None
    given = np.asarray(a, dtype=float) - np.asarray(b, dtype=float)
    means = _resampled_means(given, seed, resamples)
    low, high = _interval(means)
    tail = min((means <= 0).mean(), (means >= 0).mean())
    return Difference(float(given.mean()), low, high, min(1.0, max(2 * float(tail), 1 / resamples)), len(given))


def mcnemar(a: Sequence[bool], b: Sequence[bool]) -> float:
    """Return the two-sided exact p-value for two systems being right equally often; only questions they differ on count.

    Source: McNemar, "Note on the sampling error of the difference between correlated proportions", 1947; exact binomial.
    """
    only_a = sum(x and not y for x, y in zip(a, b, strict=True))
    only_b = sum(y and not x for x, y in zip(a, b, strict=True))
    n = only_a + only_b
    tail = sum(math.comb(n, k) for k in range(min(only_a, only_b) + 1)) / 2**n
    return min(1.0, 2 * tail)


def wilson(right: int, n: int) -> Estimate | None:
    """Return a share with Wilson's score interval, which also holds for few cases and for shares near 0 and 1."""
    if not n:
        return None
    z, share = 1.959964, right / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return Estimate(share, max(0.0, middle - half), min(1.0, middle + half), n)


def cohen_kappa(a: Sequence[str], b: Sequence[str]) -> float | None:
    """Return the agreement of two raters beyond that expected of their label frequencies.

    Source: Cohen, "A coefficient of agreement for nominal scales", 1960.

    Returns:
        1 for full agreement, 0 for the expected one; `None` without items, or if both used only one and the same label.

    Example:
        ```python
        from langchain_memlora.lab.evaluation.statistics import cohen_kappa

        assert cohen_kappa(["right", "wrong"], ["right", "wrong"]) == 1
        ```
    """
    if not len(a):
        return None
    observed = sum(x == y for x, y in zip(a, b, strict=True)) / len(a)
    expected = sum((a.count(label) / len(a)) * (b.count(label) / len(b)) for label in {*a, *b})
    return None if expected == 1 else (observed - expected) / (1 - expected)


def _resampled_means(values: np.ndarray, seed: int, resamples: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rows = max(1, 2_000_000 // len(values))  # at most 16 MB of indices at a time
    means = [
        values[rng.integers(len(values), size=(min(rows, resamples - done), len(values)))].mean(axis=1)
        for done in range(0, resamples, rows)
    ]
    return np.concatenate(means)


def _interval(means: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
