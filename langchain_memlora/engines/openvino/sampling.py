"""Chooses a token by its logits: the most probable one, or by chance."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from langchain_memlora.engines.chat import ChatRequest

Choose = Callable[[np.ndarray], int]


def chooser(request: ChatRequest) -> Choose | None:
    """How a chat wants its tokens drawn; `None` for the most probable each time."""
    if request.temperature == 0:
        return None
    chance = np.random.default_rng(request.seed)

    def draw(logits: np.ndarray) -> int:
        chances = softmax(logits / request.temperature)
        order = np.argsort(-chances, kind="stable")
        # The first token that reaches top_p still belongs to those drawn from.
        kept = order[: 1 + int(np.searchsorted(chances[order].cumsum(), request.top_p))]
        return int(chance.choice(kept, p=chances[kept] / chances[kept].sum()))

    return draw


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities in float64 from the logits of one position."""
    powers = np.exp(logits.astype(np.float64) - logits.max())
    return powers / powers.sum()
