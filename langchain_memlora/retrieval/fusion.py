"""Reciprocal rank fusion: combines several rankings into one. Only ranks count, so different scores never mix."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

# Less than the usual 60: on LoCoMo C1, 10 found an evidence turn in the first 10 hits for 78 % of questions, 60 for 75 %.
SMOOTHING = 10


def fuse(rankings: Iterable[Sequence[str]]) -> dict[str, float]:
    """Fuse rankings of ids, best first, into scores in (0, 1], best first.

    Source: Cormack, Clarke and Buettcher, "Reciprocal rank fusion outperforms Condorcet", SIGIR 2009.

    Example:
        ```python
        from langchain_memlora.retrieval.fusion import fuse

        assert list(fuse([["a", "b"], ["b", "c"]])) == ["b", "a", "c"]
        ```
    """
    lists = [ranking for ranking in rankings if ranking]
    scores: dict[str, float] = {}
    for ranking in lists:
        for rank, item in enumerate(dict.fromkeys(ranking)):
            scores[item] = scores.get(item, 0.0) + (SMOOTHING + 1) / (SMOOTHING + 1 + rank) / len(lists)
    return dict(sorted(scores.items(), key=lambda pair: -pair[1]))
