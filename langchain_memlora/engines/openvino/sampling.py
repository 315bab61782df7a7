"""Choice of a token from its logits: the most probable one, or by sampling."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from langchain_memlora.engines.chat import ChatRequest

Choose = Callable[[np.ndarray], int]


def chooser(request: ChatRequest) -> Choose | None:
    """Return the sampling function of a chat; `None` for the most probable token each time."""
    if request.temperature == 0:
        return None
    rng = np.random.default_rng(request.seed)

    def draw(logits: np.ndarray) -> int:
        probabilities = softmax(logits / request.temperature)
        order = np.argsort(-probabilities, kind="stable")
        # The token that reaches top_p is still among those sampled from.
        kept = order[: 1 + int(np.searchsorted(probabilities[order].cumsum(), request.top_p))]
        return int(rng.choice(kept, p=probabilities[kept] / probabilities[kept].sum()))

    return draw


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return probabilities in float64 from the logits of one position."""
    powers = np.exp(logits.astype(np.float64) - logits.max())
    return powers / powers.sum()
