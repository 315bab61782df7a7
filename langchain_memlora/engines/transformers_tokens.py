"""Conversion of messages to token ids with transformers, in training as at run time, by the bundle's or base's template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class TransformersTokens:
    """A tokenizer of transformers with a chat template.

    Attributes:
        template: A Jinja chat template; without it, the tokenizer's own.
        blocks: Whether the template takes content blocks rather than text: those of vision-language models do.
    """

    tokenizer: PreTrainedTokenizerBase
    template: str | None = None
    blocks: bool = False

    @property
    def end(self) -> int:
        """The id of the token that ends a message."""
        return cast("int", self.tokenizer.eos_token_id)

    @property
    def pad(self) -> int:
        """The id to pad with."""
        return pad_id(self.tokenizer)

    def chat(self, messages: Sequence[tuple[str, str]]) -> list[int]:
        """Return the ids of (speaker, text) messages, up to where the model begins to write.

        Control tokens in the messages are encoded as text.
        """
        encoded: Any = self.tokenizer.apply_chat_template(
            [{"role": speaker, "content": self._content(text)} for speaker, text in messages],
            chat_template=self.template or None,
            add_generation_prompt=True,
            tokenize=True,
            sanitize_control_tokens=True,
            return_dict=True,
        )
        return encoded["input_ids"]

    def plain(self, text: str) -> list[int]:
        """Return the ids of a text as it is."""
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    def text(self, ids: Sequence[int]) -> str:
        """Return the text of ids, without control tokens."""
        return cast("str", self.tokenizer.decode(list(ids), skip_special_tokens=True))

    def _content(self, text: str) -> Any:
        return [{"type": "text", "text": text}] if self.blocks else text


def pad_id(tokenizer: PreTrainedTokenizerBase) -> int:
    """Return the token to pad with; the end token for a tokenizer without one of its own."""
    return next(
        cast("int", token) for token in (tokenizer.pad_token_id, tokenizer.eos_token_id, 0) if token is not None
    )
