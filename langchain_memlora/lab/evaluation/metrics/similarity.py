"""Semantic similarity: the cosine of sentence embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings
    from numpy.typing import NDArray


def similarities(embeddings: Embeddings, pairs: Sequence[tuple[str, str]]) -> list[float]:
    """Return the cosine of each pair of texts; 0 if one of them is blank."""
    texts = [text for pair in pairs for text in pair]
    vectors = unit_vectors(embeddings, texts)
    scores = (vectors[0::2] * vectors[1::2]).sum(axis=1) if pairs else []
    blank = [not (a.strip() and b.strip()) for a, b in pairs]
    return [0.0 if empty else float(score) for score, empty in zip(scores, blank, strict=True)]


def unit_vectors(embeddings: Embeddings, texts: Sequence[str]) -> NDArray[np.float64]:
    """Embed texts into rows of length 1, each different text once."""
    distinct = list(dict.fromkeys(texts))
    if not distinct:
        return np.zeros((0, 1))
    rows = np.asarray(embeddings.embed_documents(distinct), dtype=float)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    place = {text: number for number, text in enumerate(distinct)}
    return rows[[place[text] for text in texts]]
