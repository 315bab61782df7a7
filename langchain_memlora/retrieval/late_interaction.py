"""Late interaction: compares a question with texts token by token, by vectors that were computed before the question came.

Source: Khattab and Zaharia, "ColBERT: efficient and effective passage search via contextualized late interaction over BERT",
SIGIR 2020. What is particular here (the weight of stop words, a turn counted alone and with the turn before it, vectors in
four bits) was chosen by measurement: docs/decisions/0021.
"""

from __future__ import annotations

import logging
import string
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from langchain_memlora.errors import ModelError
from langchain_memlora.ledger import STOP_WORDS, Ledger
from langchain_memlora.retrieval.relevance import LATE_INTERACTION
from langchain_memlora.retrieval.reranker import Candidate, Reranker
from langchain_memlora.retrieval.token_vectors import TokenEncoder, TokenVectors, own, unpack

STOP_WEIGHT = 0.5
"""Weight of stop words and punctuation in a question, where other tokens weigh 1."""

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

    def warm(self) -> None:
        """Load the model."""
        self._usable()

    def likeness(self, query: str, candidates: Sequence[Candidate]) -> np.ndarray:
        """Return how like the query each candidate is, at most 1: for every token of the query, the most similar one counts.

        A turn counts as the mean of itself alone and with the turn before it, of whose tokens it may need some.
        """
        tokens, weights = self._question(query)
        texts = list(dict.fromkeys(text for one in candidates for text in (one.text, one.before or one.text)))
        places = {text: place for place, text in enumerate(texts)}
        packed = self._vectors.of(texts)
        best = _best(tokens, [packed[text] for text in texts])
        alone = best[:, [places[one.text] for one in candidates]]
        before = best[:, [places[one.before or one.text] for one in candidates]]
        likeness: np.ndarray = weights @ (alone + np.maximum(alone, before)) / 2
        return likeness

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
