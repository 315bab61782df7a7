"""Extracted facts against annotated ones: one-to-one matching at a fixed similarity of sentence embeddings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from langchain_memlora.lab.evaluation.metrics.similarity import unit_vectors

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings

THRESHOLD = 0.7
"""Similarity (all-MiniLM-L6-v2) from which two sentences count as one fact; see docs/benchmark.md for its errors."""


@dataclass(frozen=True, slots=True)
class ReadWindow:
    """Annotated and extracted facts of one window.

    Attributes:
        gold: Annotated facts, each with the speaker of its turn (`None`: unnamed).
        predicted: Facts from the expert.
        valid: All of its output was readable.
    """

    gold: tuple[tuple[str, str | None], ...]
    predicted: tuple[str, ...]
    valid: bool = True


def match_facts(embeddings: Embeddings, window: ReadWindow, threshold: float = THRESHOLD) -> list[tuple[int, int]]:
    """Return the pairs (gold, predicted) of the best one-to-one assignment among those at least `threshold` similar."""
    from scipy.optimize import linear_sum_assignment

    if not (window.gold and window.predicted):
        return []
    right = unit_vectors(embeddings, [text for text, _ in window.gold])
    said = unit_vectors(embeddings, window.predicted)
    near = right @ said.T
    # Each pair above the threshold outweighs any similarity, so the number of pairs is maximised first.
    rows, columns = linear_sum_assignment(np.where(near >= threshold, 1 + near / 1000, 0.0), maximize=True)
    return [(int(i), int(j)) for i, j in zip(rows, columns, strict=True) if near[i, j] >= threshold]


def score_extraction(
    embeddings: Embeddings, windows: Sequence[ReadWindow], threshold: float = THRESHOLD
) -> Mapping[str, float | int | None]:
    """Return precision, recall and F1 over windows with facts, rejection over those without, right speakers, valid output.

    Returns:
        Shares in [0, 1], `None` if there was nothing to count, and the counts behind them. A window without a fact
        counts for `rejected_empty` only, so that silence earns no precision.
    """
    full = [window for window in windows if window.gold]
    empty = [window for window in windows if not window.gold]
    matched = named = 0
    with_name = 0
    for window in full:
        for gold, predicted in match_facts(embeddings, window, threshold):
            speaker = window.gold[gold][1]
            matched += 1
            with_name += speaker is not None
            named += speaker is not None and window.predicted[predicted].startswith(speaker)
    wanted, said = sum(len(w.gold) for w in full), sum(len(w.predicted) for w in full)
    return {
        "precision": _share(matched, said),
        "recall": _share(matched, wanted),
        "f1": 2 * matched / (wanted + said) if wanted + said else None,
        "rejected_empty": _share(sum(not w.predicted for w in empty), len(empty)),
        "right_speaker": _share(named, with_name),
        "valid_output": _share(sum(w.valid for w in windows), len(windows)),
        "windows": len(windows),
        "windows_with_facts": len(full),
        "facts_annotated": wanted,
        "facts_extracted": said,
        "threshold": threshold,
    }


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
