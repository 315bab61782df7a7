"""Tests of the statistics against known results."""

from __future__ import annotations

import random

import pytest

from langchain_memlora.lab.evaluation.statistics import bootstrap, mcnemar, paired_bootstrap, wilson


def test_bootstrap_matches_normal_approximation() -> None:
    chance = random.Random(1)
    values = [chance.gauss(0.4, 0.3) for _ in range(400)]
    found = bootstrap(values)
    assert found.mean == pytest.approx(sum(values) / 400)
    assert found.high - found.low == pytest.approx(2 * 1.96 * 0.3 / 20, rel=0.1)
    assert bootstrap(values) == found
    assert bootstrap(values, seed=2) != found
    assert bootstrap([]) is None


def test_single_value_has_no_interval() -> None:
    assert bootstrap([0.5]).low == bootstrap([0.5]).high == 0.5


def test_paired_bootstrap_finds_small_difference() -> None:
    chance = random.Random(3)
    hard = [chance.random() for _ in range(100)]
    better = [h + 0.05 + chance.gauss(0, 0.02) for h in hard]
    found = paired_bootstrap(better, hard)
    assert found.mean == pytest.approx(0.05, abs=0.01)
    assert found.low > 0
    assert found.p < 0.001
    assert bootstrap(better).low < bootstrap(hard).high


def test_equal_systems_do_not_differ() -> None:
    found = paired_bootstrap([0.0, 1.0] * 20, [0.0, 1.0] * 20)
    assert (found.mean, found.p) == (0.0, 1.0)
    assert mcnemar([True, False], [True, False]) == 1.0


def test_mcnemar_uses_discordant_pairs() -> None:
    a = [True] * 10 + [True] * 50
    b = [False] * 10 + [True] * 50
    assert mcnemar(a, b) == pytest.approx(2 / 2**10)
    assert mcnemar(b, a) == mcnemar(a, b)


def test_wilson_matches_paper() -> None:
    found = wilson(110, 233)  # J 47.2
    assert (round(found.low, 3), round(found.high, 3)) == (0.409, 0.536)
    assert wilson(0, 20).low == 0.0
    assert wilson(0, 20).high > 0.1
    assert wilson(0, 0) is None
