"""What goes over the wire: one connection pool, bounded retries, and answers that are checked before anybody reads them."""

from __future__ import annotations

import time
from pathlib import PurePath
from typing import Any

import httpx

from langchain_memlora.errors import EngineError

BUSY = {408, 429, 500, 502, 503, 504}
PAUSE = 0.5
SHOWN = 200
Fields = dict[str, Any]


class Wire:
    """Talks to one server.

    Args:
        url: Of its API, ending in `/v1`.
        api_key: Sent as a bearer token, if given.
        timeout: Seconds to wait for an answer.
        tries: How often a request is sent before the server counts as down.
        connections: How many requests may be under way at once.
    """

    def __init__(self, url: str, *, api_key: str | None, timeout: float, tries: int, connections: int) -> None:
        self.url = url.rstrip("/")
        self._tries = tries
        self._client = httpx.Client(
            headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
            timeout=timeout,
            limits=httpx.Limits(max_connections=connections),
        )

    def complete(self, fields: Fields) -> Fields:
        """Send one request to `/completions`; gives the answer."""
        answer = self._send("POST", f"{self.url}/completions", json=fields)
        if answer is None:
            msg = f"{self.url} has no /completions. Pass the address of an API that has, ending in /v1."
            raise EngineError(msg)
        return answer

    def adapters(self) -> tuple[Fields, dict[str, Fields]]:
        """What a request must carry to reach the base model, and what to reach each adapter, by the adapter's name.

        llama.cpp lists its adapter files in `/lora-adapters`, and is told with each request how much of each to apply.
        Other servers, vLLM among them, list an adapter as a model of its own, whose parent is the base.
        """
        files = self._send("GET", f"{self.url.removesuffix('/v1')}/lora-adapters")
        if isinstance(files, list):
            ids = {PurePath(_of(entry, "path")).stem: _of(entry, "id") for entry in files}
            return _scales(ids, None), {name: _scales(ids, name) for name in ids}
        models = _of(self._send("GET", f"{self.url}/models"), "data")
        named = {_of(model, "id"): {"model": _of(model, "id")} for model in models}
        bases = [_of(model, "id") for model in models if not model.get("parent")]
        return named[bases[0]] if bases else {}, named

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def _send(self, method: str, url: str, **options: Any) -> Any:
        """The server's JSON; `None` if there is no such page.

        Raises:
            EngineError: The server is down, refuses, or answers something else than JSON.
        """
        problem = ""
        for number in range(self._tries):
            if number:
                time.sleep(PAUSE * 2 ** (number - 1))
            try:
                answer = self._client.request(method, url, **options)
            except (httpx.TransportError, httpx.InvalidURL) as error:
                problem = f"{type(error).__name__}: {error}"
                continue
            if answer.status_code in BUSY:
                problem = f"status {answer.status_code}: {answer.text[:SHOWN]}"
                continue
            if answer.status_code == httpx.codes.NOT_FOUND and method == "GET":
                return None
            if answer.is_error:
                msg = f"{url} refused (status {answer.status_code}: {answer.text[:SHOWN]}). Check the key, and what it serves."
                raise EngineError(msg)
            try:
                return answer.json()
            except ValueError as error:
                raise nonsense(url, answer.text) from error
        msg = f"{url} does not answer ({problem}), asked {self._tries} time(s). Start the server, or check its address."
        raise EngineError(msg)


def nonsense(url: str, answer: object) -> EngineError:
    """The error for an answer that is not what the protocol says."""
    msg = f"{url} answered {str(answer)[:SHOWN]!r}, which can't be read. Check that it speaks OpenAI's completions protocol."
    return EngineError(msg)


def _scales(ids: dict[str, int], wanted: str | None) -> Fields:
    scales = [{"id": key, "scale": float(name == wanted)} for name, key in ids.items()]
    # Its cache of prompts does not heed which adapter read them, and would answer with another's.
    return {"lora": scales, "cache_prompt": False}


def _of(entry: Any, key: str) -> Any:
    if not isinstance(entry, dict) or key not in entry:
        raise nonsense("The server", entry)
    return entry[key]
