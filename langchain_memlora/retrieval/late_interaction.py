"""Late interaction: compares a question with texts token by token, by vectors that were computed before the question came.

Source: Khattab and Zaharia, "ColBERT: efficient and effective passage search via contextualized late interaction over BERT",
SIGIR 2020. What is particular here (the weight of stop words, a turn counted alone and with the turns before it, lower ranks
for questions and replies, vectors in four bits) was chosen by measurement: docs/decisions/0021.
"""

from __future__ import annotations

import logging
import string
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate

import numpy as np

from langchain_memlora.errors import ModelError
from langchain_memlora.ledger import STOP_WORDS, Ledger
from langchain_memlora.retrieval.questions import question_share
from langchain_memlora.retrieval.relevance import LATE_INTERACTION
from langchain_memlora.retrieval.reranker import Candidate, Reranker
from langchain_memlora.retrieval.token_vectors import TokenEncoder, TokenVectors, own, unpack

STOP_WEIGHT = 0.5
"""Weight of stop words and punctuation in a question, where other tokens weigh 1."""

QUESTION = 0.03
"""Likeness that is taken from a text of nothing but questions, since a question rarely answers another."""
REPLY = 0.05
"""Likeness that is taken from an assistant's replies, which repeat what people said."""

_LATIN = "\u024f"
_log = logging.getLogger(__name__)


class LateInteraction(Reranker):
    """The default second stage: ranks by the likeness of tokens (MaxSim).

    The model knows English; questions in scripts other than Latin keep the order of the first stage. So does everything if the
    model can't be loaded, after one warning.

    Args:
        ledger: Where token vectors are cached.
        load: Returns the model; called once, at the first text.
        name: The model's id, part of the cache key.
    """

    def __init__(self, ledger: Ledger, load: Callable[[], TokenEncoder], name: str) -> None:
        self._load = load
        self._loading = threading.Lock()
        self._encoder: TokenEncoder | None = None
        self._failed = False
        self._light: frozenset[int] = frozenset()
        self._vectors = TokenVectors(ledger, self._loaded, name)

    def rerank(self, query: str, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Return the candidates by their likeness to the query."""
        if not candidates or not _is_latin(query) or not self._usable():
            return list(candidates)
        found = LATE_INTERACTION.probabilities(self.likeness(query, candidates))
        scored = [replace(one, score=float(score)) for one, score in zip(candidates, found, strict=True)]
        return sorted(scored, key=lambda one: -one.score)

    def prepare(self, texts: Sequence[str]) -> None:
        """Cache the token vectors of texts."""
        if texts and self._usable():
            self._vectors.prepare(texts)

    def unprepared(self, texts: Sequence[str]) -> set[str]:
        """Return the texts whose token vectors are not in the cache."""
        return self._vectors.missing(texts)

    def warm(self) -> None:
        """Load the model."""
        self._usable()

    def likeness(self, query: str, candidates: Sequence[Candidate]) -> np.ndarray:
        """Return how like the query each candidate is, at most 1: for every token of the query, the most similar one counts.

        A turn is read together with the memories that it supports. It counts as the mean of itself alone, with the turn before
        it, and with the two before it, of whose tokens it may need some. Questions and an assistant's replies rank lower.
        """
        tokens, weights = self._question(query)
        texts = list(dict.fromkeys(text for one in candidates for text in (one.text, *one.memories, *one.before)))
        packed = self._vectors.of(texts)
        best = dict(zip(texts, _best(tokens, [packed[text] for text in texts]).T, strict=True))
        return np.array([weights @ _with_turns_before(one, best) - _handicap(one) for one in candidates])

    def _question(self, query: str) -> tuple[np.ndarray, np.ndarray]:
        """Return a question's token vectors, of length 1, and their weights, which sum to 1."""
        encoder = self._loaded()
        ids = encoder.token_ids([query])
        states = own(encoder.states_of(ids)[0])
        weights = np.array([STOP_WEIGHT if token in self._light else 1.0 for token in own(np.array(ids[0]))])
        return states / np.linalg.norm(states, axis=1, keepdims=True), weights / weights.sum()

    def _loaded(self) -> TokenEncoder:
        with self._loading:
            if self._encoder is None:
                encoder = self._load()
                found = (encoder.token_id(token) for token in (*STOP_WORDS, *string.punctuation))
                self._light = frozenset(token for token in found if token is not None)
                self._encoder = encoder
            return self._encoder

    def _usable(self) -> bool:
        """Load the model; if that fails, warn once and return False from then on."""
        if not self._failed:
            try:
                self._loaded()
            except ModelError as error:
                self._failed = True
                _log.warning("Searches go on without late interaction, and rank a little worse. %s", error)
        return not self._failed


def _with_turns_before(one: Candidate, best: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the mean similarity of each query token to a candidate alone, and with ever more of the turns before it."""
    alone = np.max([best[text] for text in (one.text, *one.memories)], axis=0)
    mean: np.ndarray = np.mean(list(accumulate([alone, *(best[text] for text in one.before)], np.maximum)), axis=0)
    return mean


def _handicap(one: Candidate) -> float:
    return QUESTION * question_share(one.text) + REPLY * one.is_reply


def _best(tokens: np.ndarray, packed: Sequence[bytes]) -> np.ndarray:
    """Return the similarity of each query token to the most similar token of each text: shape (query tokens, texts)."""
    dimensions = tokens.shape[1]
    vectors = unpack(b"".join(packed), dimensions)
    similar = tokens @ vectors.T / np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    starts = np.cumsum([0, *(2 * len(text) // dimensions for text in packed[:-1])])
    best: np.ndarray = np.maximum.reduceat(similar, starts, axis=1)
    return best


def _is_latin(text: str) -> bool:
    letters = [letter for letter in text if letter.isalpha()]
    return 2 * sum(letter <= _LATIN for letter in letters) >= len(letters)
