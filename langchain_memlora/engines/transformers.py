"""The engine on transformers and PEFT: one base model in memory, all experts as LoRA adapters on it, in batches."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from peft import PeftModel

from langchain_memlora.bundles.bundle import Bundle
from langchain_memlora.engines.base import Completion, Engine, Request
from langchain_memlora.engines.chat import ChatRequest, ChunkCallback, StopFilter
from langchain_memlora.engines.counting import TokenCounter
from langchain_memlora.engines.loading import (
    DType,
    chat_tokens,
    is_vision_language,
    load_experts,
    pick_device,
    pick_dtype,
)
from langchain_memlora.engines.prefixes import LONGEST, Branching, branch
from langchain_memlora.engines.prompting import PreparedRequest, Prompting, by_beginning, chosen, timed
from langchain_memlora.engines.streaming import StreamingCriteria
from langchain_memlora.engines.transformers_prefixes import last_logits, longest_shared
from langchain_memlora.engines.transformers_tokens import TransformersTokens
from langchain_memlora.engines.vision_models import VisionProcessor
from langchain_memlora.errors import EngineError, InvalidInputError
from langchain_memlora.models.base_model import resolve_base_model

SCORING_FACTOR = 4
SCORING_TOKENS = 8192
IMAGE_BATCH = 4


@dataclass(frozen=True, slots=True)
class _Loaded:
    """The model with its tokenizer.

    Attributes:
        model: Of class `PeftModel` if the bundle has adapters; both libraries leave its methods untyped.
        vision: For base models that take images.
        prompt_lookup: Whether prompt lookup may be used with this model.
        longest_shared: Length up to which prompts can share the computation of their beginnings.
    """

    model: Any
    tokens: TransformersTokens
    prompting: Prompting
    vision: VisionProcessor | None
    prompt_lookup: bool
    longest_shared: int


class TransformersEngine(Engine):
    """Runs a bundle's experts with transformers and PEFT: prompts greedily and in batches, chats token by token.

    Every adapter stays in memory beside one copy of the base model. Requests of one role are computed together,
    sorted by length and padded on the left; the common beginning of prompts with choices is computed once. In float32 a
    completion does not depend on its batch; in bfloat16 rounding differs between batches.

    In a completion `completion_tokens` counts what the model wrote, its end token included, and is 1 for closed choices.

    Args:
        bundle: The experts.
        base: Name, folder or hub id of the base model; by default the one the bundle was trained on.
        dtype: `auto` is bfloat16 if the hardware computes in it, else float32.
        device: A torch device; `auto` is the first available of cuda, mps and cpu.
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
        self.counter = TokenCounter(self._base)
        self._batch = batch
        self._prompt_lookup = prompt_lookup
        self._loaded: _Loaded | None = None

    def load(self) -> None:
        """Load the base model and every adapter of the bundle, and check that they belong together.

        Raises:
            ModelNotFoundError: There is no such base model.
            ModelError: The base model can't be read.
            BundleMismatchError: The bundle was trained on another base model or tokenizer.
            BundleError: An adapter is corrupt, or there is no chat template.
        """
        tokenizer, model = load_experts(self.bundle, self._base, self.dtype, self.device)
        config: Any = model.config
        limit = getattr(config.get_text_config(), "max_position_embeddings", None)
        tokens = chat_tokens(self.bundle, tokenizer, config)
        takes_images = is_vision_language(config)
        vision = VisionProcessor(resolve_base_model(self._base).source, limit) if takes_images else None
        adapters = getattr(model, "peft_config", {}).values()
        # Activated LoRA searches its invocation in all its input, also in guesses and in prompts laid out beside it.
        activated = any(getattr(adapter, "alora_invocation_tokens", None) for adapter in adapters)
        lookup = self._prompt_lookup and not activated and not takes_images
        prompting = Prompting(self.bundle, tokens, limit, self._base)
        shared = 0 if activated else min(longest_shared(config), LONGEST)
        self._loaded = _Loaded(model, tokens, prompting, vision, lookup, shared)

    def release(self) -> None:
        """Drop the model."""
        self._loaded = None
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def compute(self, requests: Sequence[Request]) -> list[Completion]:
        """Complete all requests, in order.

        Raises:
            PromptTooLongError: A prompt and what may be written do not fit into the model.
            EngineError: A role has no adapter, or choices begin alike.
        """
        groups: dict[tuple[str | None, bool, bool], list[PreparedRequest]] = {}
        for index, request in enumerate(requests):
            key = (request.role, bool(request.choices), bool(request.images))
            groups.setdefault(key, []).append(self._prepare(index, request))
        done: dict[int, Completion] = {}
        for (role, scoring, with_images), rows in groups.items():
            with self._expert(role), torch.inference_mode():
                alone = rows
                if scoring and not with_images:
                    count = self._batch * SCORING_FACTOR
                    together, alone = by_beginning(rows, count, self._ready().longest_shared)
                    for batch, trees in self._trees(together, count):
                        done |= timed(self._score_together, batch, trees)
                for chunk in self._chunks(alone, scoring=scoring, with_images=with_images):
                    done |= timed(self._score if scoring else self._generate, chunk)
        return [done[index] for index in range(len(requests))]

    def write(self, request: ChatRequest, on_chunk: ChunkCallback) -> Completion:
        """Reply to a chat.

        Raises:
            PromptTooLongError: The messages and what may be written do not fit into the model.
            EngineError: A role has no adapter.
        """
        loaded = self._ready()
        ids = loaded.prompting.ids(request.role, request.messages, request.max_tokens)
        adapter = None if request.role is None else str(request.role)
        if request.max_tokens == 0:
            return Completion("", (), len(ids), adapter=adapter, finished=False)
        start = time.perf_counter()
        streaming = StreamingCriteria(loaded.tokens, len(ids), StopFilter(request.stop), on_chunk)
        options: dict[str, float | bool] = {"max_new_tokens": request.max_tokens}
        if request.temperature > 0:  # top_k=0 switches off the limit of 50 that transformers sets by default
            options |= {"do_sample": True, "temperature": request.temperature, "top_p": request.top_p, "top_k": 0}
        inputs = torch.tensor([ids], device=self.device)
        with self._expert(request.role), torch.inference_mode(), self._seeded(request.seed):
            loaded.model.generate(
                input_ids=inputs, attention_mask=torch.ones_like(inputs), stopping_criteria=[streaming], **options
            )
        return Completion(
            streaming.finish(),
            (),
            len(ids),
            streaming.count,
            seconds=time.perf_counter() - start,
            adapter=adapter,
            finished=streaming.ended,
        )

    def _ready(self) -> _Loaded:
        if self._loaded is None:
            self.load()
        assert self._loaded is not None
        return self._loaded

    def _prepare(self, index: int, request: Request) -> PreparedRequest:
        loaded = self._ready()
        if not request.images:
            return loaded.prompting.prepare(index, request)
        loaded.prompting.check_role(request.role)
        if loaded.vision is None:
            msg = f"{self._base} can't read images, but got {len(request.images)}. Use a vision-language model."
            raise EngineError(msg)
        return PreparedRequest(index, request, [], loaded.prompting.first_tokens(request.choices))

    @contextlib.contextmanager
    def _expert(self, role: str | None) -> Iterator[None]:
        model = self._ready().model
        if not isinstance(model, PeftModel):
            yield
        elif role is not None:
            model.set_adapter(str(role), inference_mode=True)
            yield
        else:
            try:
                with model.disable_adapter():
                    yield
            finally:  # PEFT turns gradients on when it enables adapters again
                model.requires_grad_(requires_grad=False)

    @contextlib.contextmanager
    def _seeded(self, seed: int | None) -> Iterator[None]:
        """Seed torch's random numbers and restore their state afterwards; do nothing without a seed."""
        if seed is None:
            yield
            return
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices):
            torch.manual_seed(seed)
            yield

    def _chunks(
        self, rows: Sequence[PreparedRequest], *, scoring: bool, with_images: bool
    ) -> Iterator[list[PreparedRequest]]:
        """Yield batches of rows of similar length; only a few rows with images at once, since these are large."""
        if with_images:
            size = 1 if scoring else IMAGE_BATCH
            yield from (list(rows[start : start + size]) for start in range(0, len(rows), size))
            return
        chunk: list[PreparedRequest] = []
        for row in sorted(rows, key=lambda row: len(row.ids)):
            count = len(chunk) + 1
            full = count > self._batch * (SCORING_FACTOR if scoring else 1)
            if chunk and (full or (scoring and count * len(row.ids) > SCORING_TOKENS)):
                yield chunk
                chunk = []
            chunk.append(row)
        if chunk:
            yield chunk

    def _trees(
        self, groups: Sequence[list[PreparedRequest]], count: int
    ) -> Iterator[tuple[list[PreparedRequest], list[Branching]]]:
        """Yield batches of groups of similar length, with the tree of each group: up to `count` rows, or one group."""
        laid_out = [(branch([row.ids for row in group]), group) for group in groups]
        batch: list[PreparedRequest] = []
        trees: list[Branching] = []
        for tree, group in sorted(laid_out, key=lambda pair: len(pair[0].ids)):
            tokens = (len(trees) + 1) * len(tree.ids)
            if trees and (len(batch) + len(group) > count or tokens > SCORING_TOKENS):
                yield batch, trees
                batch, trees = [], []
            batch += group
            trees.append(tree)
        if trees:
            yield batch, trees

    def _padded(self, rows: Sequence[PreparedRequest]) -> dict[str, torch.Tensor]:
        loaded = self._ready()
        if loaded.vision and rows[0].request.images:
            inputs = loaded.vision.inputs([row.request for row in rows])
            return {name: value.to(self.device) for name, value in inputs.items()}
        longest = max(len(row.ids) for row in rows)
        ids = [[loaded.tokens.pad] * (longest - len(row.ids)) + row.ids for row in rows]
        mask = [[0] * (longest - len(row.ids)) + [1] * len(row.ids) for row in rows]
        return {
            "input_ids": torch.tensor(ids, device=self.device),
            "attention_mask": torch.tensor(mask, device=self.device),
        }

    def _score(self, rows: Sequence[PreparedRequest]) -> list[Completion]:
        inputs = self._padded(rows)
        counts = inputs["attention_mask"].sum(-1).tolist()
        # Rows with images are scored singly, and their models count positions in their own way.
        if not rows[0].request.images:
            inputs["position_ids"] = (inputs["attention_mask"].cumsum(-1) - 1).clamp(min=0)
        logits = self._ready().model(**inputs, logits_to_keep=1, use_cache=False).logits[:, -1].cpu()
        return [
            chosen(row, last[row.firsts].double().softmax(-1).tolist(), count)
            for row, last, count in zip(rows, logits, counts, strict=True)
        ]

    def _score_together(self, rows: Sequence[PreparedRequest], trees: Sequence[Branching]) -> list[Completion]:
        loaded = self._ready()
        logits = last_logits(loaded.model, trees, loaded.tokens.pad).cpu()
        counts = [count for tree in trees for count in tree.shared]
        return [
            chosen(row, last[row.firsts].double().softmax(-1).tolist(), len(row.ids), shared)
            for row, last, shared in zip(rows, logits, counts, strict=True)
        ]

    def _generate(self, rows: Sequence[PreparedRequest]) -> list[Completion]:
        loaded = self._ready()
        inputs = self._padded(rows)
        options: dict[str, int] = {"max_new_tokens": max(row.request.max_tokens for row in rows)}
        if len(rows) == 1 and loaded.prompt_lookup:
            options |= {"prompt_lookup_num_tokens": 8, "max_matching_ngram_size": 2}
        written = loaded.model.generate(**inputs, **options)[:, inputs["input_ids"].shape[1] :].tolist()
        found = []
        counts = inputs["attention_mask"].sum(-1).tolist()
        for row, tokens, count in zip(rows, written, counts, strict=True):
            own = tokens[: row.request.max_tokens]
            finished = loaded.tokens.end in own
            kept = own[: own.index(loaded.tokens.end)] if finished else own
            text = loaded.tokens.text(kept)
            found.append(Completion(text, (), count, len(kept) + finished, adapter=row.adapter, finished=finished))
        return found
