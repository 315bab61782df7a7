"""A cross-encoder after another stage: reads the question and each of the first candidates together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from langchain_memlora.retrieval.relevance import CROSS_ENCODER
from langchain_memlora.retrieval.reranker import Candidate, Reranker

FIRST = 10
"""Candidates that are read; each takes about as long as all of late interaction, and reading more found no more."""


class PairEncoder(Protocol):
    """A model that scores a question and a text together. `models.OnnxEncoder` is one."""

    def scores(self, query: str, texts: Sequence[str]) -> np.ndarray: ...


class CrossEncoder(Reranker):
    """Ranks the first candidates of another stage by what both stages say. It is slow, so it is off by default.

    Args:
        before: The stage that chooses the candidates to read.
        load: Returns the model; called once, at the first search.
    """

    def __init__(self, before: Reranker, load: Callable[[], PairEncoder]) -> None:
        self._before = before
        self._load = load
        self._loading = threading.Lock()
        self._model: PairEncoder | None = None

    def rerank(self, query: str, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Return the candidates with the first of them in a better order.

        Raises:
            ModelError: The model can't be loaded.
        """
        ranked = self._before.rerank(query, candidates)
        read, rest = ranked[:FIRST], ranked[FIRST:]
        if not read:
            return ranked
        logits = self._loaded().scores(query, [one.text for one in read])
        found = CROSS_ENCODER.probabilities(combined([one.score for one in read], logits))
        scored = [replace(one, score=float(score)) for one, score in zip(read, found, strict=True)]
        scored.sort(key=lambda one: -one.score)
        return [*scored, *(replace(one, score=min(one.score, scored[-1].score)) for one in rest)]

    def prepare(self, texts: Sequence[str]) -> None:
        """Let the stage before compute ahead."""
        self._before.prepare(texts)

    def unprepared(self, texts: Sequence[str]) -> set[str]:
        """Return what the stage before lacks."""
        return self._before.unprepared(texts)

    def warm(self) -> None:
        """Load the models of both stages."""
        self._before.warm()
        self._loaded()

    def _loaded(self) -> PairEncoder:
        with self._loading:
            self._model = self._model or self._load()
            return self._model


SHARE = 0.1
"""Weight of the cross-encoder's logit, from -11 to 11, beside the log-odds of the stage before, which knows the context."""


def combined(before: Sequence[float], logits: np.ndarray) -> np.ndarray:
    """Return the sum of the log-odds of the stage before and the weighted logits of the cross-encoder."""
    probability = np.clip(np.asarray(before, dtype=np.float64), 1e-9, 1 - 1e-9)
    found: np.ndarray = np.log(probability / (1 - probability)) + SHARE * logits
    return found
