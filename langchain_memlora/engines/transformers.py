"""The engine that ships: one base model in memory, all experts as LoRA adapters on it, whole batches at a time."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from peft import PeftModel
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from langchain_memlora.bundles.bundle import Bundle
from langchain_memlora.engines.base import Completion, Engine, Request
from langchain_memlora.engines.chat import ChatRequest, Ending, Say
from langchain_memlora.engines.listener import Listener
from langchain_memlora.engines.loading import (
    DType,
    load_experts,
    pad_id,
    pick_device,
    pick_dtype,
    sees,
    tokenizer_sha256,
    wrapping,
)
from langchain_memlora.engines.seeing import Seeing
from langchain_memlora.errors import EngineError, InvalidInputError, PromptTooLongError
from langchain_memlora.models.base_model import resolve_base_model

__all__ = ["TransformersEngine", "tokenizer_sha256"]

SCORING_FACTOR = 4
SCORING_TOKENS = 8192
LOOKING = 4


@dataclass(frozen=True, slots=True)
class _Row:
    """A request made ready: where its completion goes, its prompt's token ids, the first token of each choice."""

    index: int
    request: Request
    ids: list[int]  # of a request with pictures none: its processor makes them
    firsts: list[int]

    @property
    def adapter(self) -> str | None:
        return None if self.request.role is None else str(self.request.role)


class TransformersEngine(Engine):
    """Runs a bundle's experts with transformers and PEFT: prompts greedily and in batches, chats token by token.

    Every adapter stays in memory beside one copy of the base model. Requests of one role are computed together,
    sorted by length and padded on the left. In float32 a completion does not depend on what it was batched with; in
    bfloat16 rounding differs between batches.

    In a completion `completion_tokens` counts what the model wrote, its end token included, and 1 where choices were
    scored.

    Args:
        bundle: The experts.
        base: Name, folder or hub id of the base model; by default the one the bundle was trained on.
        dtype: `auto` is bfloat16 where the hardware computes in it, else float32.
        device: A torch device; `auto` is cuda, mps or cpu, the first that is there.
        batch: Rows generated at once; scoring takes up to four times as many.
        prompt_lookup: Speed up single rows by guessing that the model copies from its prompt. The text stays the same.

    Raises:
        InvalidInputError: An argument can't be used.

    Example:
        ```python
        from langchain_memlora.engines import Request, TransformersEngine
        from langchain_memlora.bundles import load_bundle

        with TransformersEngine(load_bundle()) as engine:
            print(engine.run([Request(None, "Say hello.", max_tokens=8)])[0].text)
        ```
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        base: str | None = None,
        dtype: DType = "auto",
        device: str = "auto",
        batch: int = 16,
        prompt_lookup: bool = True,
    ) -> None:
        if batch < 1:
            msg = f"batch is {batch}, but at least one row must be computed at once. Pass 1 or more."
            raise InvalidInputError(msg)
        self.bundle = bundle
        self.device = pick_device(device)
        self.dtype = pick_dtype(dtype, self.device)
        self._base = base or bundle.card.base.name
        self._batch = batch
        self._prompt_lookup = prompt_lookup
        self._model: PeftModel | PreTrainedModel | None = None
        self._tokenizer: PreTrainedTokenizerBase | None = None
        self._seeing: Seeing | None = None

    def load(self) -> None:
        """Load the base model and every adapter of the bundle, and check that they belong together.

        Raises:
            ModelNotFoundError: There is no such base model.
            ModelError: The base model can't be read.
            BundleMismatchError: The bundle was trained on another base model or tokenizer.
            BundleError: An adapter is corrupt, or nothing says how a message is wrapped.
        """
        self._tokenizer, self._model = load_experts(self.bundle, self._base, self.dtype, self.device)
        config = self._model.config
        adapters = getattr(self._model, "peft_config", {}).values()
        # Activated LoRA looks for its invocation in what it is given, guesses included: the two are never used together.
        if any(getattr(adapter, "alora_invocation_tokens", None) for adapter in adapters):
            self._prompt_lookup = False
        self._limit = getattr(config.get_text_config(), "max_position_embeddings", None)
        self._seeing = Seeing(resolve_base_model(self._base).source, self._limit) if sees(config) else None
        self._wrapping = wrapping(self.bundle, self._tokenizer, config)

    def release(self) -> None:
        """Drop the model."""
        self._model = self._tokenizer = self._seeing = None
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def compute(self, requests: Sequence[Request]) -> list[Completion]:
        """Complete all requests, in order.

        Raises:
            PromptTooLongError: A prompt and what may be written do not fit into the model.
            EngineError: A role has no adapter, or choices begin alike.
        """
        if self._model is None:
            self.load()
        groups: dict[tuple[str | None, bool, bool], list[_Row]] = {}
        for index, request in enumerate(requests):
            key = (request.role, bool(request.choices), bool(request.images))
            groups.setdefault(key, []).append(self._row(index, request))
        done: dict[int, Completion] = {}
        for (role, scoring, looking), rows in groups.items():
            with self._expert(role), torch.inference_mode():
                for chunk in self._chunks(rows, scoring=scoring, looking=looking):
                    start = time.perf_counter()
                    found = self._score(chunk) if scoring else self._generate(chunk)
                    share = (time.perf_counter() - start) / len(chunk)
                    for row, completion in zip(chunk, found, strict=True):
                        done[row.index] = replace(completion, seconds=share)
        return [done[index] for index in range(len(requests))]

    def write(self, request: ChatRequest, say: Say) -> Completion:
        """Reply to a chat.

        Raises:
            PromptTooLongError: The messages and what may be written do not fit into the model.
            EngineError: A role has no adapter.
        """
        if self._model is None:
            self.load()
        ids = self._ids(request.role, request.messages, request.max_tokens)
        adapter = None if request.role is None else str(request.role)
        if request.max_tokens == 0:
            return Completion("", (), len(ids), adapter=adapter, finished=False)
        start = time.perf_counter()
        listener = Listener(self._tokenizer, len(ids), Ending(request.stop), say)
        options: dict[str, float | bool] = {"max_new_tokens": request.max_tokens}
        if request.temperature > 0:  # top_k=0 switches off the cut at 50 that transformers makes unasked
            options |= {"do_sample": True, "temperature": request.temperature, "top_p": request.top_p, "top_k": 0}
        inputs = torch.tensor([ids], device=self.device)
        with self._expert(request.role), torch.inference_mode(), self._chance(request.seed):
            self._model.generate(
                input_ids=inputs, attention_mask=torch.ones_like(inputs), stopping_criteria=[listener], **options
            )
        return Completion(
            listener.finish(),
            (),
            len(ids),
            listener.count,
            seconds=time.perf_counter() - start,
            adapter=adapter,
            finished=listener.ended,
        )

    def _row(self, index: int, request: Request) -> _Row:
        needed = 1 if request.choices else request.max_tokens
        if request.images:
            self._check_role(request.role)
            if self._seeing is None:
                msg = f"{self._base} can't see, but {len(request.images)} image(s) were given. Use a vision-language model."
                raise EngineError(msg)
            return _Row(index, request, [], self._firsts(request.choices))
        ids = self._ids(request.role, (("user", request.prompt),), needed)
        return _Row(index, request, ids, self._firsts(request.choices))

    def _ids(self, role: str | None, messages: Sequence[tuple[str, str]], needed: int) -> list[int]:
        """The token ids of messages, up to where the model begins to write `needed` tokens."""
        self._check_role(role)
        ids = self._wrapping.ids(messages)
        limit = self._limit
        if limit is not None and len(ids) > limit - needed:
            msg = (
                f"The prompt has {len(ids)} tokens, but with {needed} to write {self._base} reads at most "
                f"{limit - needed} (its limit is {limit}). Shorten the prompt or lower max_tokens."
            )
            raise PromptTooLongError(msg)
        return ids

    def _check_role(self, role: str | None) -> None:
        if role is not None and role not in self.bundle.adapters:
            there = ", ".join(self.bundle.adapters) or "none"
            msg = (
                f"Bundle {self.bundle.card.name} has no adapter {str(role)!r} (it has: {there}). "
                "Use one of these, or None for the base model."
            )
            raise EngineError(msg)

    def _firsts(self, choices: Sequence[str]) -> list[int]:
        """The first token of each choice, by which alone they are told apart."""
        tokens = [self._tokenizer(choice, add_special_tokens=False)["input_ids"][:1] for choice in choices]
        firsts = [token for first in tokens for token in first]
        if len(set(firsts)) < len(choices):
            shown = {choice: self._tokenizer.decode(first) for choice, first in zip(choices, tokens, strict=True)}
            msg = f"Choices must differ in their first token, but they begin with {shown}. Reword them."
            raise EngineError(msg)
        return firsts

    @contextlib.contextmanager
    def _expert(self, role: str | None) -> Iterator[None]:
        if not isinstance(self._model, PeftModel):
            yield
        elif role is not None:
            self._model.set_adapter(str(role), inference_mode=True)
            yield
        else:
            try:
                with self._model.disable_adapter():
                    yield
            finally:  # PEFT turns gradients on when adapters come back
                self._model.requires_grad_(requires_grad=False)

    @contextlib.contextmanager
    def _chance(self, seed: int | None) -> Iterator[None]:
        """With a seed, chance that repeats itself and leaves the program's own alone."""
        if seed is None:
            yield
            return
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices):
            torch.manual_seed(seed)
            yield

    def _chunks(self, rows: Sequence[_Row], *, scoring: bool, looking: bool) -> Iterator[list[_Row]]:
        """Batches of rows of similar length; of rows with pictures only a few, for these are large."""
        if looking:
            size = 1 if scoring else LOOKING
            yield from (list(rows[start : start + size]) for start in range(0, len(rows), size))
            return
        chunk: list[_Row] = []
        for row in sorted(rows, key=lambda row: len(row.ids)):
            count = len(chunk) + 1
            full = count > self._batch * (SCORING_FACTOR if scoring else 1)
            if chunk and (full or (scoring and count * len(row.ids) > SCORING_TOKENS)):
                yield chunk
                chunk = []
            chunk.append(row)
        if chunk:
            yield chunk

    def _padded(self, rows: Sequence[_Row]) -> dict[str, torch.Tensor]:
        if self._seeing and rows[0].request.images:
            inputs = self._seeing.inputs([row.request for row in rows])
            return {name: value.to(self.device) for name, value in inputs.items()}
        longest = max(len(row.ids) for row in rows)
        pad = pad_id(self._tokenizer)
        ids = [[pad] * (longest - len(row.ids)) + row.ids for row in rows]
        mask = [[0] * (longest - len(row.ids)) + [1] * len(row.ids) for row in rows]
        return {
            "input_ids": torch.tensor(ids, device=self.device),
            "attention_mask": torch.tensor(mask, device=self.device),
        }

    def _score(self, rows: Sequence[_Row]) -> list[Completion]:
        inputs = self._padded(rows)
        counts = inputs["attention_mask"].sum(-1).tolist()
        if not rows[
            0
        ].request.images:  # rows with pictures come alone, and their models count positions in their own way
            inputs["position_ids"] = (inputs["attention_mask"].cumsum(-1) - 1).clamp(min=0)
        logits = self._model(**inputs, logits_to_keep=1, use_cache=False).logits[:, -1].cpu()
        found = []
        for row, last, count in zip(rows, logits, counts, strict=True):
            chances = last[row.firsts].double().softmax(-1).tolist()
            best = max(range(len(chances)), key=chances.__getitem__)
            found.append(Completion(row.request.choices[best], tuple(chances), count, 1, adapter=row.adapter))
        return found

    def _generate(self, rows: Sequence[_Row]) -> list[Completion]:
        inputs = self._padded(rows)
        options: dict[str, int] = {"max_new_tokens": max(row.request.max_tokens for row in rows)}
        if len(rows) == 1 and self._prompt_lookup and not self._seeing:
            options |= {"prompt_lookup_num_tokens": 8, "max_matching_ngram_size": 2}
        written = self._model.generate(**inputs, **options)[:, inputs["input_ids"].shape[1] :].tolist()
        eos, found = self._tokenizer.eos_token_id, []
        counts = inputs["attention_mask"].sum(-1).tolist()
        for row, tokens, count in zip(rows, written, counts, strict=True):
            mine = tokens[: row.request.max_tokens]
            finished = eos in mine
            kept = mine[: mine.index(eos)] if finished else mine
            text = self._tokenizer.decode(kept, skip_special_tokens=True)
            spent = len(kept) + finished
            found.append(Completion(text, (), count, spent, adapter=row.adapter, finished=finished))
        return found
