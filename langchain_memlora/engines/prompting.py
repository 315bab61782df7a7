"""Preparation of requests for engines that read token ids: role check, chat template, length check."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from langchain_memlora.bundles.bundle import Bundle
from langchain_memlora.engines.base import Completion, Request
from langchain_memlora.engines.prefixes import LONGEST, groups
from langchain_memlora.errors import BundleMismatchError, EngineError, PromptTooLongError
from langchain_memlora.models.base_model import BaseModel


class Tokens(Protocol):
    """A tokenizer with a chat template."""

    def chat(self, messages: Sequence[tuple[str, str]]) -> list[int]:
        """Return the ids of (speaker, text) messages, up to where the assistant begins to write."""
        ...

    def plain(self, text: str) -> list[int]:
        """Return the ids of a text as it is."""
        ...

    def text(self, ids: Sequence[int]) -> str:
        """Return the text of ids, without control tokens."""
        ...


@dataclass(frozen=True, slots=True)
class PreparedRequest:
    """A request with its place in the batch, the token ids of its prompt and the first token of each choice.

    Attributes:
        ids: Empty for a request with images, whose processor makes them.
    """

    index: int
    request: Request
    ids: list[int]
    firsts: list[int]

    @property
    def adapter(self) -> str | None:
        """The name of the adapter that computes it."""
        return None if self.request.role is None else str(self.request.role)


@dataclass(frozen=True, slots=True)
class Prompting:
    """Converts prompts of a bundle to token ids.

    Attributes:
        limit: Number of tokens the model can read and write together; `None` for any number.
        base: Name of the base model in errors.
    """

    bundle: Bundle
    tokens: Tokens
    limit: int | None
    base: str

    def prepare(self, index: int, request: Request) -> PreparedRequest:
        """Prepare a request without images.

        Raises:
            PromptTooLongError: The prompt and what may be written do not fit into the model.
            EngineError: The role has no adapter, choices begin alike, or there are images.
        """
        if request.images:
            msg = f"This engine can't read images, but got {len(request.images)}. Use engine='transformers'."
            raise EngineError(msg)
        needed = 1 if request.choices else request.max_tokens
        ids = self.ids(request.role, (("user", request.prompt),), needed)
        return PreparedRequest(index, request, ids, self.first_tokens(request.choices))

    def ids(self, role: str | None, messages: Sequence[tuple[str, str]], needed: int) -> list[int]:
        """Return the token ids of messages, up to where the model begins to write `needed` tokens.

        Raises:
            PromptTooLongError: They do not fit into the model.
            EngineError: The role has no adapter.
        """
        self.check_role(role)
        ids = self.tokens.chat(messages)
        if self.limit is not None and len(ids) > self.limit - needed:
            msg = (
                f"The prompt has {len(ids)} tokens, but with {needed} to write {self.base} reads at most "
                f"{self.limit - needed} (its limit is {self.limit}). Shorten the prompt or lower max_tokens."
            )
            raise PromptTooLongError(msg)
        return ids

    def check_role(self, role: str | None) -> None:
        """Check that the bundle has an adapter for a role.

        Raises:
            EngineError: It has none.
        """
        if role is not None and role not in self.bundle.adapters:
            available = ", ".join(self.bundle.adapters) or "none"
            msg = (
                f"Bundle {self.bundle.card.name} has no adapter {str(role)!r} (it has: {available}). "
                "Use one of these, or None for the base model."
            )
            raise EngineError(msg)

    def first_tokens(self, choices: Sequence[str]) -> list[int]:
        """Return the first token of each choice, by which alone choices are distinguished.

        Raises:
            EngineError: Two choices begin with the same token.
        """
        tokens = [self.tokens.plain(choice)[:1] for choice in choices]
        firsts = [token for first in tokens for token in first]
        if len(set(firsts)) < len(choices):
            shown = {choice: self.tokens.text(first) for choice, first in zip(choices, tokens, strict=True)}
            msg = f"Choices must differ in their first token, but they begin with {shown}. Reword them."
            raise EngineError(msg)
        return firsts


def in_batches(rows: Iterable[PreparedRequest], count: int, tokens: int) -> Iterator[list[PreparedRequest]]:
    """Yield batches of similar length: up to `count` rows and `tokens` tokens with padding, but at least one row."""
    batch: list[PreparedRequest] = []
    for row in sorted(rows, key=lambda row: len(row.ids)):
        if batch and (len(batch) == count or (len(batch) + 1) * len(row.ids) > tokens):
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def by_beginning(
    rows: Sequence[PreparedRequest], count: int, longest: int = LONGEST
) -> tuple[list[list[PreparedRequest]], list[PreparedRequest]]:
    """Return groups of rows that begin alike, each of two or more, and the rows that are in none.

    Args:
        count: Up to this many rows a group.
        longest: Group only rows of up to this many tokens.
    """
    short = [row for row in rows if len(row.ids) <= longest]
    alone = [row for row in rows if len(row.ids) > longest]
    together = []
    for group in groups([row.ids for row in short], count):
        if len(group) > 1:
            together.append([short[index] for index in group])
        else:
            alone.append(short[group[0]])
    return together, alone


def timed(
    complete: Callable[..., list[Completion]], rows: Sequence[PreparedRequest], *more: object
) -> dict[int, Completion]:
    """Complete a batch; returns completions with their share of its time, by the requests' places."""
    start = time.perf_counter()
    found = complete(rows, *more)
    share = (time.perf_counter() - start) / len(rows)
    return {row.index: replace(completion, seconds=share) for row, completion in zip(rows, found, strict=True)}


def chosen(row: PreparedRequest, probabilities: Sequence[float], tokens: int, shared: int = 0) -> Completion:
    """Return the completion of a request with choices.

    Args:
        tokens: Length of its prompt.
        shared: The part of it that was computed with another request.
    """
    best = max(range(len(probabilities)), key=probabilities.__getitem__)
    choice = row.request.choices[best]
    return Completion(choice, tuple(probabilities), tokens, 1, adapter=row.adapter, shared_tokens=shared)


def check_base(
    bundle: Bundle, base: BaseModel, tokenizer_sha256: str, tensors_sha256: Callable[[], str] | None = None
) -> None:
    """Check a base model against the one on the bundle's card; warn if only its weights differ.

    Args:
        tensors_sha256: Hashes the loaded weights, for a base without a pinned hash; without it such weights pass.

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
    if not spec.tensors_sha256:
        return
    found = base.sha256 or (tensors_sha256() if tensors_sha256 else None)
    if found and found != spec.tensors_sha256:
        msg = (
            f"The scores on the card of bundle {bundle.card.name} were measured on other weights (sha256 "
            f"{spec.tensors_sha256}) than those of {base.name} ({found}). Evaluate it again before you trust them."
        )
        warnings.warn(msg, UserWarning, stacklevel=2)
