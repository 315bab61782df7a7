"""Makes requests ready for an engine that reads token ids: checks the role, renders the chat, measures it."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from langchain_memlora.bundles.bundle import Bundle
from langchain_memlora.engines.base import Request
from langchain_memlora.engines.tokens import ChatTokens
from langchain_memlora.errors import BundleMismatchError, EngineError, PromptTooLongError
from langchain_memlora.models.base_model import BaseModel


@dataclass(frozen=True, slots=True)
class Row:
    """A request made ready: where its completion goes, its prompt's token ids, the first token of each choice."""

    index: int
    request: Request
    ids: list[int]
    firsts: list[int]

    @property
    def adapter(self) -> str | None:
        """The name of the adapter that is asked."""
        return None if self.request.role is None else str(self.request.role)


@dataclass(frozen=True, slots=True)
class Prompting:
    """How prompts of a bundle become token ids.

    Attributes:
        limit: How many tokens the model can read and write together; `None` for any number.
        base: What errors call the base model.
    """

    bundle: Bundle
    tokens: ChatTokens
    limit: int | None
    base: str

    def row(self, index: int, request: Request) -> Row:
        """Make a request ready.

        Raises:
            PromptTooLongError: The prompt and what may be written do not fit into the model.
            EngineError: The role has no adapter, or choices begin alike.
        """
        if request.images:
            msg = f"This engine can't see, but {len(request.images)} image(s) were given. Use engine='transformers'."
            raise EngineError(msg)
        needed = 1 if request.choices else request.max_tokens
        ids = self.ids(request.role, (("user", request.prompt),), needed)
        return Row(index, request, ids, self._firsts(request.choices))

    def ids(self, role: str | None, messages: Sequence[tuple[str, str]], needed: int) -> list[int]:
        """The token ids of messages, up to where the model begins to write `needed` tokens.

        Raises:
            PromptTooLongError: They do not fit into the model.
            EngineError: The role has no adapter.
        """
        if role is not None and role not in self.bundle.adapters:
            there = ", ".join(self.bundle.adapters) or "none"
            msg = (
                f"Bundle {self.bundle.card.name} has no adapter {str(role)!r} (it has: {there}). "
                "Use one of these, or None for the base model."
            )
            raise EngineError(msg)
        ids = self.tokens.chat(messages)
        if self.limit is not None and len(ids) > self.limit - needed:
            msg = (
                f"The prompt has {len(ids)} tokens, but with {needed} to write {self.base} reads at most "
                f"{self.limit - needed} (its limit is {self.limit}). Shorten the prompt or lower max_tokens."
            )
            raise PromptTooLongError(msg)
        return ids

    def _firsts(self, choices: Sequence[str]) -> list[int]:
        """The first token of each choice, by which alone they are told apart."""
        tokens = [self.tokens.plain(choice)[:1] for choice in choices]
        firsts = [token for first in tokens for token in first]
        if len(set(firsts)) < len(choices):
            shown = {choice: self.tokens.text(first) for choice, first in zip(choices, tokens, strict=True)}
            msg = f"Choices must differ in their first token, but they begin with {shown}. Reword them."
            raise EngineError(msg)
        return firsts


def in_batches(rows: Iterable[Row], count: int, tokens: int) -> Iterator[list[Row]]:
    """Batches of rows of similar length: at most `count` rows, and `tokens` with the padding, but at least one row."""
    batch: list[Row] = []
    for row in sorted(rows, key=lambda row: len(row.ids)):
        if batch and (len(batch) == count or (len(batch) + 1) * len(row.ids) > tokens):
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def check_base(bundle: Bundle, base: BaseModel, tokenizer_sha256: str) -> None:
    """Check a base model against what the bundle's card names; warn where only its weights are others.

    Raises:
        BundleMismatchError: It has another tokenizer.
    """
    spec = bundle.card.base
    if spec.tokenizer_sha256 and tokenizer_sha256 != spec.tokenizer_sha256:
        msg = (
            f"Bundle {bundle.card.name} was trained with another tokenizer (sha256 {spec.tokenizer_sha256}) than that of "
            f"{base.name} ({tokenizer_sha256}). Load the base it was trained on, {spec.name}, or train it for this one."
        )
        raise BundleMismatchError(msg)
    if spec.tensors_sha256 and base.sha256 and base.sha256 != spec.tensors_sha256:
        msg = (
            f"The scores on the card of bundle {bundle.card.name} were measured on other weights (sha256 "
            f"{spec.tensors_sha256}) than those of {base.name} ({base.sha256}). Evaluate it again before you trust them."
        )
        warnings.warn(msg, UserWarning, stacklevel=2)
