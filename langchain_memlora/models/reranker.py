"""The models of the search's second stage, loaded once a process however many memories are open."""

from __future__ import annotations

from functools import lru_cache

from langchain_memlora.models.fetch import ensure_pinned
from langchain_memlora.models.onnx import OnnxEncoder
from langchain_memlora.models.pins import CROSS_ENCODER, LATE_INTERACTION

MOST_TOKENS = 256
"""Tokens that are read of a text; what follows is found by the first stage only."""


@lru_cache(maxsize=1)
def token_encoder() -> OnnxEncoder:
    """Load the model of late interaction.

    Raises:
        ModelNotFoundError: It could not be fetched, or a file is missing or truncated.
        ModelMismatchError: What was fetched is not the pinned model.
    """
    return OnnxEncoder(ensure_pinned(LATE_INTERACTION), max_tokens=MOST_TOKENS)


@lru_cache(maxsize=1)
def cross_encoder() -> OnnxEncoder:
    """Load the cross-encoder.

    Raises:
        ModelNotFoundError: It could not be fetched, or a file is missing or truncated.
        ModelMismatchError: What was fetched is not the pinned model.
    """
    return OnnxEncoder(ensure_pinned(CROSS_ENCODER), max_tokens=MOST_TOKENS)
