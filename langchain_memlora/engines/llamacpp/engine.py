"""The engine on llama.cpp, in this process: a GGUF base as it is, each expert's LoRA loaded beside it, no torch anywhere."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from langchain_memlora.engines.base import Completion, Engine, Request
from langchain_memlora.engines.chat import ChatRequest, Ending, Say
from langchain_memlora.engines.llamacpp.adapters import base_config, write_adapters
from langchain_memlora.engines.prompting import Prompting, Row, check_base
from langchain_memlora.engines.tokens import ChatTokens
from langchain_memlora.errors import EngineError, InvalidInputError, MissingExtraError, ModelError
from langchain_memlora.experts.bundle import Bundle
from langchain_memlora.models.base_model import resolve_base_model
from langchain_memlora.models.fetch import ensure_pinned
from langchain_memlora.models.pins import DEFAULT_BASE, PINS

try:
    import xllamacpp
except ImportError as error:
    msg = "LlamaCppEngine needs the package xllamacpp. Run `pip install langchain-memlora[llamacpp]`."
    raise MissingExtraError(msg) from error

AMONG_CHOICES = 100.0
"""Added to the logits of choices, so that all probability is theirs."""
CONTEXT = 4096


@dataclass(frozen=True, slots=True)
class _Loaded:
    """What `load` took: how prompts become tokens, what computes, and the numbers of the adapters."""

    prompting: Prompting
    server: Any
    adapters: dict[str, int]


class _Heard:
    """A reply as it comes in pieces.

    Attributes:
        tokens: How many were written, an end token included.
        ended: Whether the model or a stop word ended the text.
    """

    def __init__(self, ending: Ending, say: Say) -> None:
        self._ending, self._say = ending, say
        self._whole, self._wanted = "", True
        self.tokens, self.ended = 0, False

    def hear(self, piece: dict[str, Any]) -> bool:
        """Take a piece; answers whether it was enough."""
        choice = piece["choices"][0]
        self._whole += choice["text"]
        self.tokens = piece.get("usage", {}).get("completion_tokens", self.tokens + 1)
        self._wanted = self._say(self._ending.read(self._whole))
        self.ended = self._ending.reached or choice["finish_reason"] == "stop"
        return self.ended or not self._wanted

    def finish(self) -> str:
        """Pass on what was held back; gives the whole text."""
        rest = self._ending.read(self._whole, last=True)
        if self._wanted:
            self._say(rest)
        return self._ending.text


class LlamaCppEngine(Engine):
    """Runs a bundle's experts with llama.cpp: any quantised GGUF of the base, with adapters converted while loading.

    Requests are computed one after the other, so that a completion never depends on its company.

    Args:
        bundle: The experts, on a Llama.
        base: Name or folder of the base model, for its tokenizer; by default the one the bundle was trained on.
        gguf: The base model's weights; by default the pinned file, if the base is the default one.
        threads: How many threads compute; 0 leaves the choice to llama.cpp.
        context: How many tokens a prompt and what is written may have together.

    Raises:
        InvalidInputError: An argument can't be used.
        MissingExtraError: On importing this module: the package `xllamacpp` is not installed.

    Example:
        ```python
        from langchain_memlora.engines import Request
        from langchain_memlora.engines.llamacpp import LlamaCppEngine
        from langchain_memlora.experts import load_bundle

        with LlamaCppEngine(load_bundle()) as engine:
            print(engine.run([Request(None, "Say hello.", max_tokens=8)])[0].text)
        ```
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        base: str | None = None,
        gguf: str | Path | None = None,
        threads: int = 0,
        context: int = CONTEXT,
    ) -> None:
        if threads < 0 or context < 1:
            msg = f"threads={threads}, context={context} can't be used. Pass 0 threads or more and at least 1 token."
            raise InvalidInputError(msg)
        self.bundle = bundle
        self._base = base or bundle.card.base.name
        if gguf is None and self._base != DEFAULT_BASE:
            msg = f"The weights of {self._base} are not at hand as GGUF. Pass their file: gguf='model.gguf'."
            raise InvalidInputError(msg)
        self._gguf = None if gguf is None else Path(gguf).expanduser()
        self._threads = threads
        self._context = context
        self._loaded: _Loaded | None = None

    def load(self) -> None:
        """Load the base model and every adapter.

        Raises:
            ModelNotFoundError: There is no such base model.
            ModelError: The base model can't be read, or is no Llama.
            BundleMismatchError: The bundle was trained on another base model or tokenizer.
            BundleError: An adapter is corrupt or no plain LoRA, or nothing says how a message is wrapped.
        """
        base = resolve_base_model(self._base)
        folder = Path(base.source)
        config = base_config(folder)
        try:
            tokens = ChatTokens(folder, self.bundle.chat_template)
        except (OSError, ValueError) as error:
            msg = f"The tokenizer of {base.name} can't be read from {folder} ({error}). Restore the folder."
            raise ModelError(msg) from error
        check_base(self.bundle, base, tokens.sha256)
        weights = self._gguf or ensure_pinned(DEFAULT_BASE) / PINS[DEFAULT_BASE].file
        with TemporaryDirectory(prefix="memlora-") as scratch:
            files = write_adapters(self.bundle.adapters, config, Path(scratch))
            server = self._server(weights, list(files.values()))
        prompting = Prompting(self.bundle, tokens, self._context, self._base)
        self._loaded = _Loaded(prompting, server, {role: number for number, role in enumerate(files)})

    def release(self) -> None:
        """Drop the model."""
        self._loaded = None

    def compute(self, requests: Sequence[Request]) -> list[Completion]:
        """Complete all requests, in order.

        Raises:
            PromptTooLongError: A prompt and what may be written do not fit into the context.
            EngineError: A role has no adapter, or choices begin alike.
        """
        loaded = self._ready()
        rows = [loaded.prompting.row(index, request) for index, request in enumerate(requests)]
        return [self._score(row) if row.request.choices else self._generate(row) for row in rows]

    def write(self, request: ChatRequest, say: Say) -> Completion:
        """Reply to a chat.

        Raises:
            PromptTooLongError: The messages and what may be written do not fit into the context.
            EngineError: A role has no adapter.
        """
        ids = self._ready().prompting.ids(request.role, request.messages, request.max_tokens)
        adapter = None if request.role is None else str(request.role)
        if request.max_tokens == 0:
            return Completion("", (), len(ids), adapter=adapter, finished=False)
        start = time.perf_counter()
        heard = _Heard(Ending(request.stop), say)
        options: dict[str, Any] = {"temperature": request.temperature, "top_p": request.top_p, "top_k": 0, "min_p": 0.0}
        if request.seed is not None:
            options["seed"] = request.seed
        self._call(ids, adapter, request.max_tokens, heard.hear, **options)
        text = heard.finish()
        seconds = time.perf_counter() - start
        return Completion(text, (), len(ids), heard.tokens, seconds=seconds, adapter=adapter, finished=heard.ended)

    def _server(self, weights: Path, adapters: Sequence[Path]) -> Any:
        if not weights.is_file():
            msg = f"There is no GGUF file at {weights}. Pass the base model's weights: gguf='model.gguf'."
            raise ModelError(msg)
        options = xllamacpp.CommonParams()
        options.model.path = str(weights)
        options.n_ctx = self._context
        options.n_parallel = 1
        options.warmup = False
        options.verbosity = -1
        if self._threads:
            options.cpuparams.n_threads = options.cpuparams_batch.n_threads = self._threads
        options.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(str(file), 1.0) for file in adapters]
        options.lora_init_without_apply = True
        try:
            return xllamacpp.Server(options)
        except RuntimeError as error:
            msg = f"llama.cpp can't load {weights} with these adapters ({error}). Pass the GGUF of {self._base}."
            raise ModelError(msg) from error

    def _ready(self) -> _Loaded:
        if self._loaded is None:
            self.load()
        assert self._loaded is not None
        return self._loaded

    def _score(self, row: Row) -> Completion:
        start = time.perf_counter()
        answer = self._call(
            row.ids,
            row.adapter,
            1,
            temperature=1.0,
            samplers=["temperature"],
            logit_bias=[[token, AMONG_CHOICES] for token in row.firsts],
            n_probs=len(row.firsts),
            post_sampling_probs=True,
        )
        seen = {p["id"]: p["prob"] for p in answer["choices"][0]["logprobs"]["content"][0]["top_probs"]}
        total = sum(seen.get(token, 0.0) for token in row.firsts)
        chances = tuple(seen.get(token, 0.0) / total for token in row.firsts)
        best = row.request.choices[chances.index(max(chances))]
        return Completion(best, chances, len(row.ids), 1, seconds=time.perf_counter() - start, adapter=row.adapter)

    def _generate(self, row: Row) -> Completion:
        start = time.perf_counter()
        answer = self._call(row.ids, row.adapter, row.request.max_tokens, temperature=0.0)
        choice, spent = answer["choices"][0], answer["usage"]["completion_tokens"]
        finished = choice["finish_reason"] == "stop"
        seconds = time.perf_counter() - start
        return Completion(
            choice["text"], (), len(row.ids), spent, seconds=seconds, adapter=row.adapter, finished=finished
        )

    def _call(self, ids: list[int], adapter: str | None, count: int, hear: Any = None, **options: Any) -> Any:
        """One call of the server: `count` tokens after `ids`, by `adapter` alone."""
        loaded = self._ready()
        # All adapters are named each time: to leave one out is to leave it as it was.
        scales = [{"id": number, "scale": float(role == adapter)} for role, number in loaded.adapters.items()]
        asked = {"prompt": ids, "max_tokens": count, "cache_prompt": False, "lora": scales, **options}
        completions = loaded.server.handle_completions
        answer = completions({**asked, "stream": True}, hear) if hear else completions(asked)
        if answer and (error := answer.get("error")):
            msg = f"llama.cpp refused a prompt of {len(ids)} tokens: {error['message']}. Run `memlora doctor`."
            raise EngineError(msg)
        return answer
