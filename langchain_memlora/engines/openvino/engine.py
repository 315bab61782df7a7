"""The fast engine for CPUs: one 8-bit base model in OpenVINO, each expert's LoRA set as inputs, without torch."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openvino

from langchain_memlora.bundles.bundle import Bundle
from langchain_memlora.engines.base import Completion, Engine, Request
from langchain_memlora.engines.chat import ChatRequest, ChunkCallback, StopFilter
from langchain_memlora.engines.counting import TokenCounter
from langchain_memlora.engines.openvino.adapters import Factors, load_adapters
from langchain_memlora.engines.openvino.decoder import Decoder
from langchain_memlora.engines.openvino.export import Weights, exported, keep_compiled, shape_of
from langchain_memlora.engines.openvino.graph import factor_type
from langchain_memlora.engines.openvino.lookup import look_ahead
from langchain_memlora.engines.openvino.sampling import Choose, chooser, softmax
from langchain_memlora.engines.prefixes import branch
from langchain_memlora.engines.prompting import (
    PreparedRequest,
    Prompting,
    by_beginning,
    check_base,
    chosen,
    in_batches,
    timed,
)
from langchain_memlora.engines.tensors import TensorFiles
from langchain_memlora.engines.tokens import ChatTokens
from langchain_memlora.errors import InvalidInputError, ModelError
from langchain_memlora.models.base_model import resolve_base_model

BATCH_TOKENS = 8192
GUESSES = 6


@dataclass(frozen=True, slots=True)
class _Loaded:
    """The tokenizer, the decoder and the factors of every role's adapter."""

    tokens: ChatTokens
    prompting: Prompting
    decoder: Decoder
    adapters: dict[str | None, Factors]


class OpenVINOEngine(Engine):
    """Runs a bundle's experts on the CPU with OpenVINO, and without torch.

    The base model is exported once, with 8-bit weights, into the model cache; adapters are read as they are, stay in
    memory and are switched from call to call. Requests of one role are computed together; a finished row leaves its
    batch. The common beginning of prompts with choices is computed once.

    It runs plain Llamas (SmolLM2 is one) and plain LoRA; use `TransformersEngine` for anything else. Only the default
    base model is checked against the weights on the bundle's card; any base must have the right tokenizer.

    Args:
        bundle: The experts.
        base: Name or folder of the base model; by default the one the bundle was trained on.
        weights: `int8` or `float32` for the base model. With `int8`, a processor with bfloat16 arithmetic uses it, which
            halves the time of reading; with `float32` everything is exact.
        threads: Number of threads; 0 leaves the choice to OpenVINO.
        batch: Rows generated at once; scoring takes up to four times as many.
        prompt_lookup: Speed up single rows by guessing that the model copies from its prompt.

    Raises:
        InvalidInputError: An argument can't be used.
        MissingExtraError: On importing this module: the package `openvino` is not installed.

    Example:
        ```python
        from langchain_memlora.engines import Request
        from langchain_memlora.engines.openvino import OpenVINOEngine
        from langchain_memlora.bundles import load_bundle

        with OpenVINOEngine(load_bundle()) as engine:
            print(engine.run([Request(None, "Say hello.", max_tokens=8)])[0].text)
        ```
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        base: str | None = None,
        weights: Weights = "int8",
        threads: int = 0,
        batch: int = 16,
        prompt_lookup: bool = True,
    ) -> None:
        if batch < 1 or threads < 0:
            msg = f"batch={batch}, threads={threads} can't be used. Pass a batch of at least 1 and 0 threads or more."
            raise InvalidInputError(msg)
        self.bundle = bundle
        self._base = base or bundle.card.base.name
        self.counter = TokenCounter(self._base)
        self._weights = weights
        self._threads = threads
        self._batch = batch
        self._prompt_lookup = prompt_lookup
        self._loaded: _Loaded | None = None

    def load(self) -> None:
        """Export the base model unless that is done already, compile it and read every adapter.

        Raises:
            ModelNotFoundError: There is no such base model.
            ModelError: The base model can't be read, or is not a plain Llama.
            BundleMismatchError: The bundle was trained on another base model or tokenizer.
            BundleError: An adapter is corrupt or not plain LoRA, or there is no chat template.
        """
        base = resolve_base_model(self._base)
        folder = Path(base.source)
        try:
            config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            tokens = ChatTokens(folder, self.bundle.chat_template)
            tensors = TensorFiles(folder)
        except (OSError, ValueError, KeyError) as error:
            msg = f"Base model {base.name!r} can't be read from {folder} ({error}). Pass the folder of a whole checkpoint."
            raise ModelError(msg) from error
        check_base(self.bundle, base, tokens.sha256)
        shape = shape_of(config, base.name)
        adapters = load_adapters(self.bundle, shape, factor_type(quantize=self._weights == "int8"))
        core = openvino.Core()
        quick = self._weights == "int8" and "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        options: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "bf16" if quick else "f32",
            "KV_CACHE_PRECISION": "f32",
            # OpenVINO keeps a kernel for each shape: 5,000 of them, the default, are gigabytes, and save 3 % of the time.
            "CPU_RUNTIME_CACHE_CAPACITY": 100,
            **keep_compiled(),
        }
        if self._threads:
            options["INFERENCE_NUM_THREADS"] = self._threads
        compiled = core.compile_model(exported(base, folder, shape, self._weights), "CPU", options)
        rope = config.get("rope_parameters") or config
        decoder = Decoder(compiled, tensors, shape.head, rope.get("rope_theta", 10000.0))
        prompting = Prompting(self.bundle, tokens, config.get("max_position_embeddings"), self._base)
        self._loaded = _Loaded(tokens, prompting, decoder, adapters)

    def release(self) -> None:
        """Drop the model."""
        self._loaded = None

    def compute(self, requests: Sequence[Request]) -> list[Completion]:
        """Complete all requests, in order.

        Raises:
            PromptTooLongError: A prompt and what may be written do not fit into the model.
            EngineError: A role has no adapter, or choices begin alike.
        """
        loaded = self._ready()
        groups: dict[tuple[str | None, bool], list[PreparedRequest]] = {}
        for index, request in enumerate(requests):
            row = loaded.prompting.prepare(index, request)
            groups.setdefault((request.role, bool(request.choices)), []).append(row)
        done: dict[int, Completion] = {}
        for (role, scoring), rows in groups.items():
            count = self._batch * (4 if scoring else 1)
            loaded.decoder.choose(loaded.adapters[role and str(role)])
            together, alone = by_beginning(rows, count) if scoring else ([], rows)
            for group in together:
                done |= timed(self._score_together, group)
            for batch in in_batches(alone, count, BATCH_TOKENS):
                done |= timed(self._score if scoring else self._generate, batch)
        return [done[index] for index in range(len(requests))]

    def write(self, request: ChatRequest, on_chunk: ChunkCallback) -> Completion:
        """Reply to a chat.

        Raises:
            PromptTooLongError: The messages and what may be written do not fit into the model.
            EngineError: A role has no adapter.
        """
        loaded = self._ready()
        tokens = loaded.tokens
        ids = loaded.prompting.ids(request.role, request.messages, request.max_tokens)
        adapter = None if request.role is None else str(request.role)
        if request.max_tokens == 0:
            return Completion("", (), len(ids), adapter=adapter, finished=False)
        start = time.perf_counter()
        stop_filter, written, ended, wanted = StopFilter(request.stop), 0, False, True
        kept: list[int] = []
        loaded.decoder.choose(loaded.adapters[adapter])
        for token in self._tokens(ids, chooser(request)):
            written, ended = written + 1, token == tokens.end
            kept += [] if ended else [token]
            wanted = on_chunk(stop_filter.read(tokens.text(kept)))
            ended = ended or stop_filter.reached
            if ended or not wanted or written == request.max_tokens:
                break
        rest = stop_filter.read(tokens.text(kept), last=True)
        if wanted:
            on_chunk(rest)
        seconds = time.perf_counter() - start
        return Completion(stop_filter.text, (), len(ids), written, seconds=seconds, adapter=adapter, finished=ended)

    def _ready(self) -> _Loaded:
        if self._loaded is None:
            self.load()
        assert self._loaded is not None
        return self._loaded

    def _score(self, rows: Sequence[PreparedRequest]) -> list[Completion]:
        loaded = self._ready()
        logits = loaded.decoder.start([row.ids for row in rows], loaded.tokens.pad)
        return [
            chosen(row, softmax(last[row.firsts]).tolist(), len(row.ids))
            for row, last in zip(rows, logits, strict=True)
        ]

    def _score_together(self, rows: Sequence[PreparedRequest]) -> list[Completion]:
        tree = branch([row.ids for row in rows])
        logits = self._ready().decoder.branches(tree)
        return [
            chosen(row, softmax(last[row.firsts]).tolist(), len(row.ids), shared)
            for row, last, shared in zip(rows, logits, tree.shared, strict=True)
        ]

    def _generate(self, rows: Sequence[PreparedRequest]) -> list[Completion]:
        tokens = self._ready().tokens
        written = [self._alone(rows[0])] if len(rows) == 1 else self._together(rows)
        found = []
        for row, ids in zip(rows, written, strict=True):
            finished = ids[-1:] == [tokens.end]
            text = tokens.text(ids[:-1] if finished else ids)
            found.append(Completion(text, (), len(row.ids), len(ids), adapter=row.adapter, finished=finished))
        return found

    def _alone(self, row: PreparedRequest) -> list[int]:
        """Return the tokens written for one row, its end token included."""
        end = self._ready().tokens.end
        written: list[int] = []
        for token in self._tokens(row.ids) if row.request.max_tokens else ():
            written.append(token)
            if token == end or len(written) == row.request.max_tokens:
                break
        return written

    def _together(self, rows: Sequence[PreparedRequest]) -> list[list[int]]:
        """Return the tokens written for several rows at once, end tokens included."""
        loaded = self._ready()
        end = loaded.tokens.end
        written: list[list[int]] = [[] for _ in rows]
        logits = loaded.decoder.start([row.ids for row in rows], loaded.tokens.pad)
        live = list(range(len(rows)))
        while True:
            continuing = []
            for place, (number, token) in enumerate(zip(live, logits.argmax(-1).tolist(), strict=True)):
                if len(written[number]) < rows[number].request.max_tokens:
                    written[number].append(token)
                    if token != end and len(written[number]) < rows[number].request.max_tokens:
                        continuing.append(place)
            if not continuing:
                return written
            live = [live[place] for place in continuing]
            logits = loaded.decoder.step([written[number][-1] for number in live], continuing)

    def _tokens(self, ids: list[int], choose: Choose | None = None) -> Iterator[int]:
        """Yield tokens for one row, without end."""
        loaded = self._ready()
        decoder = loaded.decoder
        logits = decoder.start([ids], loaded.tokens.pad)[0]
        if choose is None and self._prompt_lookup:
            yield from look_ahead(int(logits.argmax()), ids, decoder.ahead, decoder.take_back, GUESSES)
            return
        while True:
            token = choose(logits) if choose else int(logits.argmax())
            yield token
            logits = decoder.step([token], [0])[0]
