"""Vectors of a text's tokens, in four bits a number, cached in the ledger beside the embeddings and erased with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from langchain_memlora.ledger import Ledger

LEVELS = 7
"""Numbers are rounded to integers from -7 to 7. Vectors have length 1, so their scale need not be stored."""


class TokenEncoder(Protocol):
    """A model that computes a vector for each token of a text. `models.OnnxEncoder` is one."""

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]: ...

    def token_id(self, token: str) -> int | None: ...

    def states_of(self, ids: Sequence[Sequence[int]]) -> list[np.ndarray]: ...


class TokenVectors:
    """Computes and caches the packed token vectors of stored texts.

    Args:
        encoder: Returns the encoder; called at the first text that is not in the cache.
        name: The encoder's id, part of the cache key.
    """

    def __init__(self, ledger: Ledger, encoder: Callable[[], TokenEncoder], name: str) -> None:
        self._ledger = ledger
        self._encoder = encoder
        self._name = f"{name}/int4"

    def prepare(self, texts: Sequence[str]) -> None:
        """Cache the vectors of texts that were just stored."""
        missing = self.missing(texts)
        self._ledger.cache_bytes(self._name, self._compute([text for text in texts if text in missing]))

    def missing(self, texts: Sequence[str]) -> set[str]:
        """Return the texts whose vectors are not in the cache."""
        return set(texts) - self._ledger.cached_bytes(self._name, texts).keys()

    def of(self, texts: Sequence[str]) -> dict[str, bytes]:
        """Return the packed vectors by text.

        What is not in the cache is computed but not cached: only `prepare` writes, since the text may be erased meanwhile.
        """
        found = self._ledger.cached_bytes(self._name, texts)
        return found | self._compute([text for text in texts if text not in found])

    def _compute(self, texts: Sequence[str]) -> dict[str, bytes]:
        texts = list(dict.fromkeys(texts))
        if not texts:
            return {}
        encoder = self._encoder()
        return {
            text: pack(own(states))
            for text, states in zip(texts, encoder.states_of(encoder.token_ids(texts)), strict=True)
        }


def own(tokens: np.ndarray) -> np.ndarray:
    """Leave out the special tokens at both ends; if there are no others, only the last one."""
    return tokens[1:-1] if len(tokens) > 2 else tokens[:1]


def pack(states: np.ndarray) -> bytes:
    """Pack vectors, shape (tokens, dimensions), into two numbers a byte."""
    scale = np.maximum(np.abs(states).max(axis=1, keepdims=True), np.finfo(np.float32).tiny) / LEVELS
    levels = (np.rint(states / scale) + LEVELS + 1).astype(np.uint8)
    half = states.shape[1] // 2
    return (levels[:, :half] << 4 | levels[:, half:]).tobytes()


def unpack(packed: bytes, dimensions: int) -> np.ndarray:
    """Return packed vectors as float32, shape (tokens, dimensions); not of length 1."""
    pairs = np.frombuffer(packed, dtype=np.uint8).reshape(-1, dimensions // 2)
    levels = np.empty((len(pairs), dimensions), dtype=np.float32)
    levels[:, : dimensions // 2] = pairs >> 4
    levels[:, dimensions // 2 :] = pairs & 15
    levels -= LEVELS + 1
    return levels
