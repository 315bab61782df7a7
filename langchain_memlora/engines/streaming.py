"""Streaming of a chat with transformers: passes on the text of each token, and stops the generation."""

from __future__ import annotations

from typing import Any

import torch
from transformers import StoppingCriteria

from langchain_memlora.engines.chat import ChunkCallback, StopFilter
from langchain_memlora.engines.transformers_tokens import TransformersTokens


class StreamingCriteria(StoppingCriteria):
    """A stopping criterion, called by `generate` after every token, that streams the text.

    Args:
        tokens: Decodes the tokens.
        start: Number of tokens of the prompt.
        stop_filter: Holds the stop words.
        on_chunk: Receives the text; if it returns `False`, the generation stops.

    Attributes:
        count: Number of tokens written, an end token included.
        ended: Whether the model or a stop word ended the text.
    """

    def __init__(
        self, tokens: TransformersTokens, start: int, stop_filter: StopFilter, on_chunk: ChunkCallback
    ) -> None:
        self._tokens = tokens
        self._start = start
        self._filter = stop_filter
        self._on_chunk = on_chunk
        self._whole = ""
        self._wanted = True
        self.count = 0
        self.ended = False

    def __call__(self, input_ids: torch.Tensor, scores: Any, **options: Any) -> Any:
        written: list[int] = input_ids[0, self._start :].tolist()
        self.count = len(written)
        self.ended = written[-1] == self._tokens.end
        self._whole = self._tokens.text(written[: -1 if self.ended else None])
        self._wanted = self._on_chunk(self._filter.read(self._whole))
        self.ended = self.ended or self._filter.reached
        return torch.full((1,), self.ended or not self._wanted, dtype=torch.bool, device=input_ids.device)

    def finish(self) -> str:
        """Pass on the text held back for an incomplete stop word or character; return the whole text."""
        rest = self._filter.read(self._whole, last=True)
        if self._wanted:
            self._on_chunk(rest)
        return self._filter.text
