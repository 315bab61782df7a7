"""How messages become token ids with transformers, in training as at run time: by the base model's or the bundle's template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class Wrapping:
    """A tokenizer and how it is used.

    Attributes:
        template: A Jinja chat template; without it, the tokenizer's own.
        blocks: Whether the template takes content blocks rather than text: those of vision-language models do.
    """

    tokenizer: PreTrainedTokenizerBase
    template: str | None = None
    blocks: bool = False

    def ids(self, messages: Sequence[tuple[str, str]]) -> list[int]:
        """The token ids of messages (speaker, text), up to where the model begins to write.

        Control tokens in what people say stay text.
        """
        return self.tokenizer.apply_chat_template(
            [{"role": speaker, "content": self._content(text)} for speaker, text in messages],
            chat_template=self.template or None,
            add_generation_prompt=True,
            tokenize=True,
            sanitize_control_tokens=True,
            return_dict=True,
        )["input_ids"]

    def _content(self, text: str) -> Any:
        return [{"type": "text", "text": text}] if self.blocks else text
