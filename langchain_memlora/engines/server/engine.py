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
from langchain_memlora.engines.counting import TokenCounter
from langchain_memlora.engines.prompting import PreparedRequest, Prompting
from langchain_memlora.engines.server.wire import Fields, Wire, invalid_response
from langchain_memlora.engines.tokens import ChatTokens
from langchain_memlora.errors import EngineError, InvalidInputError, ModelError
from langchain_memlora.models.base_model import resolve_base_model

MOST_SHOWN = 20
"""Number of most probable tokens that vLLM returns at most, by default."""
BIAS = 100
"""Added to the logits of all choices alike: the experts are trained to compare these tokens, not to make them probable."""
UNFILTERED: Fields = {"temperature": 1, "top_k": 0, "top_p": 1, "min_p": 0, "post_sampling_probs": True}
"""Asks llama.cpp for the probabilities behind the bias; vLLM needs `--logprobs-mode processed_logprobs` at its start."""


@dataclass(frozen=True, slots=True)
class _Connected:
    """The tokenizer, and the fields of a request that select each role's adapter."""

    tokens: ChatTokens
    prompting: Prompting
    adapters: dict[str | None, Fields]


class ServerEngine(Engine):
    """Runs a bundle's experts on a server through OpenAI's completions protocol.

    Prompts become tokens here, so the server needs no chat template, only the base model that the bundle was trained on and
    its adapters, each under the name of its role: on vLLM as models (`--enable-lora --lora-modules extraction=FOLDER ...`), on
    llama.cpp as files (`--lora extraction.gguf ...`). `memlora export-adapters` writes both. The weights that a server
    really holds can't be checked.

    Requests of all callers are sent as they come, so a server that batches continuously is kept busy. A closed choice is read
    from the most probable tokens the server returns, with a bias that puts the choices there. vLLM returns tokens behind the
    bias only if started with `--logprobs-mode processed_logprobs`; without it choices may be missing.

    Args:
        bundle: The experts the server holds.
        url: Of the server's API, ending in `/v1`.
        base: Name or folder with the tokenizer of the base model; by default of the one the bundle was trained on.
        api_key: If the server requires one.
        timeout: Seconds to wait for one response.
        tries: Number of attempts at a request before the server counts as down.
        at_once: Number of requests in flight.

    Raises:
        InvalidInputError: An argument can't be used.

    Example:
        ```python
        from langchain_memlora.engines.server import ServerEngine
        from langchain_memlora.bundles import load_bundle

        engine = ServerEngine(load_bundle(), "http://127.0.0.1:8000/v1")  # connects at the first request
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
                "with http:// or https://, a timeout above 0, and tries and at_once of at least 1."
            )
            raise InvalidInputError(msg)
        self.bundle = bundle
        self._base = base or bundle.card.base.name
        self.counter = TokenCounter(self._base)
        self._wire = Wire(url, api_key=api_key, timeout=timeout, tries=tries, connections=at_once)
        self._callers = ThreadPoolExecutor(at_once, thread_name_prefix="memlora-caller")
        self._senders = ThreadPoolExecutor(at_once, thread_name_prefix="memlora-sender")
        self._loading = threading.Lock()
        self._connected: _Connected | None = None

    def load(self) -> None:
        """Read the tokenizer and ask the server for its adapters.

        Raises:
            ModelNotFoundError: There is no such base model.
            ModelError: Its tokenizer can't be read.
            EngineError: The server is down, sends an invalid response, or lacks an adapter.
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
            available = ", ".join(adapters) or "none"
            msg = (
                f"The server at {self._wire.url} has no adapter {', '.join(missing)} (it has: {available}). "
                "Start it with the adapters that `memlora export-adapters` writes, each under the name of its role."
            )
            raise EngineError(msg)
        prompting = Prompting(self.bundle, tokens, limit, self._base)
        by_role: dict[str | None, Fields] = {None: bare}
        for name, fields in adapters.items():
            by_role[name] = fields
        self._connected = _Connected(tokens, prompting, by_role)

    def submit(self, requests: Sequence[Request]) -> Future[list[Completion]]:
        """Send requests and return at once: a server needs no queue, so no caller waits for another."""
        try:
            return self._callers.submit(self.compute, tuple(requests))
        except RuntimeError as error:
            msg = f"This {type(self).__name__} was closed; make a new one."
            raise EngineError(msg) from error

    def compute(self, requests: Sequence[Request]) -> list[Completion]:
        """Complete all requests, in order.

        Raises:
            PromptTooLongError: A prompt and what may be written do not fit into the model.
            EngineError: The server is down or sends an invalid response, no choice is among the tokens it returns, a role has
                no adapter, or choices begin alike.
        """
        with self._loading:
            if self._connected is None:
                self.load()
        assert self._connected is not None
        rows = [self._connected.prompting.prepare(index, request) for index, request in enumerate(requests)]
        return list(self._senders.map(self._ask, rows))

    def close(self) -> None:
        """Finish what was sent. Closing twice is fine."""
        self._callers.shutdown()
        self._senders.shutdown()
        self._wire.close()
        super().close()

    def _ask(self, row: PreparedRequest) -> Completion:
        assert self._connected is not None
        start = time.perf_counter()
        fields: Fields = {"prompt": row.ids, "max_tokens": row.request.max_tokens, "temperature": 0}
        if row.request.choices:
            bias = {str(first): BIAS for first in row.firsts}
            fields |= UNFILTERED | {"max_tokens": 1, "logprobs": max(len(bias), MOST_SHOWN), "logit_bias": bias}
        response = self._wire.complete(fields | self._connected.adapters[row.adapter])
        try:
            choice, written = response["choices"][0], int(response["usage"]["completion_tokens"])
            found = self._probabilities(row, choice["logprobs"]) if row.request.choices else ()
            best = max(range(len(found)), key=found.__getitem__) if found else None
            text = str(choice["text"]) if best is None else row.request.choices[best]
            finished = choice["finish_reason"] == "stop" or bool(found)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise invalid_response(self._wire.url, response) from error
        seconds = time.perf_counter() - start
        return Completion(text, found, len(row.ids), written, seconds, row.adapter, finished)

    def _probabilities(self, row: PreparedRequest, logprobs: Fields) -> tuple[float, ...]:
        """Return the probability of each choice, from the first token's logprobs in one of the forms of OpenAI or llama.cpp."""
        assert self._connected is not None
        first = logprobs["content"][0] if "content" in logprobs else {}
        if "top_probs" in first:
            weight_of = {entry["token"]: entry["prob"] for entry in first["top_probs"]}
        elif first:
            weight_of = {entry["token"]: math.exp(entry["logprob"]) for entry in first["top_logprobs"]}
        else:
            weight_of = {token: math.exp(logprob) for token, logprob in logprobs["top_logprobs"][0].items()}
        weights = [weight_of.get(self._connected.tokens.text([token]), 0.0) for token in row.firsts]
        if not any(weights):
            msg = (
                f"{self._wire.url} returned none of the choices {row.request.choices} among its most probable tokens. "
                "Start vLLM with --logprobs-mode processed_logprobs, or use a llama.cpp that has `post_sampling_probs`."
            )
            raise EngineError(msg)
        return tuple(weight / sum(weights) for weight in weights)
