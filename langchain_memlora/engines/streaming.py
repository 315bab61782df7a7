"""Hears each token of a chat as it is generated: passes its text on, and ends the generation."""

from __future__ import annotations

from typing import Any

import torch
from transformers import PreTrainedTokenizerBase, StoppingCriteria

from langchain_memlora.engines.chat import Ending, Say


class Listener(StoppingCriteria):
    """Asked by `generate` after every token whether it was the last.

    Args:
        tokenizer: Turns the tokens into text.
        start: How many tokens the prompt has.
        ending: Knows the stop words.
        say: Takes the text; when it answers `False`, the generation ends.

    Attributes:
        count: How many tokens were written, an end token included.
        ended: Whether the model or a stop word ended the text.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, start: int, ending: Ending, say: Say) -> None:
        self._tokenizer = tokenizer
        self._start = start
        self._ending = ending
        self._say = say
        self._whole = ""
        self._wanted = True
        self.count = 0
        self.ended = False

    def __call__(self, input_ids: torch.LongTensor, scores: Any, **options: Any) -> torch.BoolTensor:
        written = input_ids[0, self._start :].tolist()
        self.count = len(written)
        self.ended = written[-1] == self._tokenizer.eos_token_id
        self._whole = self._tokenizer.decode(written[: -1 if self.ended else None], skip_special_tokens=True)
        self._wanted = self._say(self._ending.read(self._whole))
        self.ended = self.ended or self._ending.reached
        return torch.full((1,), self.ended or not self._wanted, dtype=torch.bool, device=input_ids.device)

    def finish(self) -> str:
        """Pass on what was held back in case a stop word or a letter went on; gives the whole text."""
        rest = self._ending.read(self._whole, last=True)
        if self._wanted:
            self._say(rest)
        return self._ending.text
