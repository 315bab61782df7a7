"""HTTP client of a model server: one connection pool, bounded retries, and checked responses."""

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
    """A client of one server.

    Args:
        url: Of its API, ending in `/v1`.
        api_key: Sent as a bearer token, if given.
        timeout: Seconds to wait for a response.
        tries: Number of attempts at a request before the server counts as down.
        connections: Number of requests in flight.
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
        """Send one request to `/completions` and return the response."""
        response = self._send("POST", f"{self.url}/completions", json=fields)
        if response is None:
            msg = f"{self.url} has no /completions. Pass the address of an API that has it, ending in /v1."
            raise EngineError(msg)
        return response

    def adapters(self) -> tuple[Fields, dict[str, Fields]]:
        """Return the fields of a request that select the base model, and those that select each adapter, by its name.

        llama.cpp lists its adapter files in `/lora-adapters`, and takes the scale of each with every request. Other
        servers, vLLM among them, list an adapter as a model of its own, whose parent is the base.
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
        """Return the server's JSON; `None` if there is no such page.

        Raises:
            EngineError: The server is down, refuses, or does not respond with JSON.
        """
        problem = ""
        for number in range(self._tries):
            if number:
                time.sleep(PAUSE * 2 ** (number - 1))
            try:
                response = self._client.request(method, url, **options)
            except (httpx.TransportError, httpx.InvalidURL) as error:
                problem = f"{type(error).__name__}: {error}"
                continue
            if response.status_code in BUSY:
                problem = f"status {response.status_code}: {response.text[:SHOWN]}"
                continue
            if response.status_code == httpx.codes.NOT_FOUND and method == "GET":
                return None
            if response.is_error:
                problem = f"status {response.status_code}: {response.text[:SHOWN]}"
                msg = f"{url} refused ({problem}). Check the key, and the server's models."
                raise EngineError(msg)
            try:
                return response.json()
            except ValueError as error:
                raise invalid_response(url, response.text) from error
        msg = (
            f"{url} does not respond ({problem}), tried {self._tries} time(s). Start the server, or check its address."
        )
        raise EngineError(msg)


def invalid_response(url: str, response: object) -> EngineError:
    """Return the error for a response that breaks the protocol."""
    msg = f"{url} sent {str(response)[:SHOWN]!r}, which can't be read. Check that it has OpenAI's completions protocol."
    return EngineError(msg)


def _scales(ids: dict[str, int], wanted: str | None) -> Fields:
    scales = [{"id": key, "scale": float(name == wanted)} for name, key in ids.items()]
    # Its prompt cache ignores the adapter, and would return results of another one.
    return {"lora": scales, "cache_prompt": False}


def _of(entry: Any, key: str) -> Any:
    if not isinstance(entry, dict) or key not in entry:
        raise invalid_response("The server", entry)
    return entry[key]
