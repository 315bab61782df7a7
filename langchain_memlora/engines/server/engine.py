"""Experts on a server that holds the base model and all adapters, such as vLLM or llama.cpp's `llama-server`."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from langchain_memlora.bundles.bundle import Bundle
from langchain_memlora.engines.base import Completion, Engine, Request
from langchain_memlora.engines.prompting import Prompting, Row
from langchain_memlora.engines.server.wire import Fields, Wire, nonsense
from langchain_memlora.engines.tokens import ChatTokens
from langchain_memlora.errors import EngineError, InvalidInputError, ModelError
from langchain_memlora.models.base_model import resolve_base_model

SHOWN_CHOICES = 20
"""How many of the most probable tokens a server is asked for, the most that vLLM gives unless told otherwise."""


@dataclass(frozen=True, slots=True)
class _Connected:
    """What `load` found: how prompts become tokens, and what a request carries to reach each role's adapter."""

    prompting: Prompting
    reach: dict[str | None, Fields]


class ServerEngine(Engine):
    """Runs a bundle's experts on a server through OpenAI's completions protocol.

    Prompts become tokens here, so the server needs no chat template, only the base model that the bundle was trained on and
    its adapters, each under the name of its role: on vLLM as models (`--enable-lora --lora-modules extraction=FOLDER ...`), on
    llama.cpp as files (`--lora extraction.gguf ...`). `memlora export-adapters` writes both. Which weights a server
    really holds can't be asked.

    Requests of all callers are sent as they come, so a server that batches continuously is kept busy. A closed choice is read
    from the most probable tokens the server names; a choice that is not among them gets the probability 0, and where none
    is, all are equally probable.

    Args:
        bundle: The experts the server holds.
        url: Of its API, ending in `/v1`.
        base: Name or folder with the tokenizer of the base model; by default of the one the bundle was trained on.
        api_key: If the server wants one.
        timeout: Seconds to wait for one answer.
        tries: How often a request is sent before the server counts as down.
        at_once: How many requests may be under way.

    Raises:
        InvalidInputError: An argument can't be used.

    Example:
        ```python
        from langchain_memlora.engines.server import ServerEngine
        from langchain_memlora.bundles import load_bundle

        engine = ServerEngine(load_bundle(), "http://127.0.0.1:8000/v1")  # asks nothing until it is used
        engine.close()
        ```
    """

    def __init__(
        self,
        bundle: Bundle,
        url: str,
        *,
        base: str | None = None,
        api_key: str | None = None,
        timeout: float = 60.0,
        tries: int = 3,
        at_once: int = 32,
    ) -> None:
        if not url.startswith(("http://", "https://")) or tries < 1 or at_once < 1 or timeout <= 0:
            msg = (
                f"url={url!r}, timeout={timeout}, tries={tries}, at_once={at_once} can't be used. Pass an address that begins "
                "with http:// or https://, a timeout above 0, and at least 1 of the others."
            )
            raise InvalidInputError(msg)
        self.bundle = bundle
        self._base = base or bundle.card.base.name
        self._wire = Wire(url, api_key=api_key, timeout=timeout, tries=tries, connections=at_once)
        self._callers = ThreadPoolExecutor(at_once, thread_name_prefix="memlora-caller")
        self._senders = ThreadPoolExecutor(at_once, thread_name_prefix="memlora-sender")
        self._loading = threading.Lock()
        self._connected: _Connected | None = None

    def load(self) -> None:
        """Read the tokenizer and ask the server what it holds.

        Raises:
            ModelNotFoundError: There is no such base model.
            ModelError: Its tokenizer can't be read.
            EngineError: The server is down, answers nonsense, or lacks an adapter.
        """
        base = resolve_base_model(self._base)
        folder = Path(base.source)
        try:
            tokens = ChatTokens(folder, self.bundle.chat_template)
            limit = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("max_position_embeddings")
        except (OSError, ValueError, KeyError) as error:
            msg = f"The tokenizer of {base.name!r} can't be read from {folder} ({error}). Pass the folder of a checkpoint."
            raise ModelError(msg) from error
        bare, adapters = self._wire.adapters()
        if missing := sorted(set(map(str, self.bundle.adapters)) - set(adapters)):
            there = ", ".join(adapters) or "none"
            msg = (
                f"The server at {self._wire.url} has no adapter {', '.join(missing)} (it has: {there}). "
                "Start it with the adapters that `memlora export-adapters` writes, each under the name of its role."
            )
            raise EngineError(msg)
        self._connected = _Connected(Prompting(self.bundle, tokens, limit, self._base), {None: bare, **adapters})

    def submit(self, requests: Sequence[Request]) -> Future[list[Completion]]:
        """Send requests and return at once: a server needs no queue, so nobody waits for another caller's."""
        try:
            return self._callers.submit(self.compute, tuple(requests))
        except RuntimeError as error:
            msg = f"This {type(self).__name__} was closed; make a new one."
            raise EngineError(msg) from error

    def compute(self, requests: Sequence[Request]) -> list[Completion]:
        """Complete all requests, in order.

        Raises:
            PromptTooLongError: A prompt and what may be written do not fit into the model.
            EngineError: The server is down or answers nonsense, a role has no adapter, or choices begin alike.
        """
        with self._loading:
            if self._connected is None:
                self.load()
        assert self._connected is not None
        rows = [self._connected.prompting.row(index, request) for index, request in enumerate(requests)]
        return list(self._senders.map(self._ask, rows))

    def close(self) -> None:
        """Finish what was sent. Closing twice is fine."""
        self._callers.shutdown()
        self._senders.shutdown()
        self._wire.close()
        super().close()

    def _ask(self, row: Row) -> Completion:
        assert self._connected is not None
        start = time.perf_counter()
        fields = {"prompt": row.ids, "max_tokens": row.request.max_tokens, "temperature": 0}
        if row.request.choices:
            fields |= {"max_tokens": 1, "logprobs": SHOWN_CHOICES}
        answer = self._wire.complete(fields | self._connected.reach[row.adapter])
        try:
            choice, written = answer["choices"][0], int(answer["usage"]["completion_tokens"])
            found = self._chances(row, choice["logprobs"]) if row.request.choices else ()
            best = max(range(len(found)), key=found.__getitem__) if found else None
            text = str(choice["text"]) if best is None else row.request.choices[best]
            finished = choice["finish_reason"] == "stop" or bool(found)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise nonsense(self._wire.url, answer) from error
        seconds = time.perf_counter() - start
        return Completion(text, found, len(row.ids), written, seconds, row.adapter, finished)

    def _chances(self, row: Row, logprobs: Fields) -> tuple[float, ...]:
        """The probability of each choice, from what the server tells of the first token in OpenAI's older or newer form."""
        assert self._connected is not None
        if "content" in logprobs:
            told = {entry["token"]: entry["logprob"] for entry in logprobs["content"][0]["top_logprobs"]}
        else:
            told = logprobs["top_logprobs"][0]
        firsts = [self._connected.prompting.tokens.text([first]) for first in row.firsts]
        weights = [math.exp(told[first]) if first in told else 0.0 for first in firsts]
        total = sum(weights)
        return tuple(weight / total if total else 1 / len(weights) for weight in weights)
