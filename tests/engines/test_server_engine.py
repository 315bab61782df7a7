"""Tests of experts on a server, its two kinds and its failures."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from langchain_memlora import MemLoRAMemory
from langchain_memlora.engines import Request
from langchain_memlora.engines.server import ServerEngine, wire
from langchain_memlora.engines.server.engine import BIAS
from langchain_memlora.errors import EngineError, InvalidInputError, PromptTooLongError


class Server(ThreadingHTTPServer):
    """Answers like vLLM or llama.cpp; tests replace `answer` to make it fail."""

    def __init__(self, roles: list[str], *, files: bool = False) -> None:
        self.roles, self.files = roles, files
        self.asked: list[dict[str, Any]] = []
        self.answer: Callable[[dict[str, Any]], tuple[int, str]] = lambda body: (200, json.dumps(completion(body)))
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        if self.path == "/lora-adapters" and self.server.files:
            self.reply(200, json.dumps([{"id": i, "path": f"/x/{r}.gguf"} for i, r in enumerate(self.server.roles)]))
        elif self.path == "/v1/models":
            models = [{"id": "base", "parent": None}, *({"id": r, "parent": "base"} for r in self.server.roles)]
            self.reply(200, json.dumps({"data": models}))
        else:
            self.reply(404, "{}")

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(body)
        self.reply(*self.server.answer(body))

    def reply(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        pass


def completion(body: dict[str, Any], text: str = "") -> dict[str, Any]:
    """Says who was asked, if nothing else."""
    choice = {"text": text or f"I am {body.get('model') or body['lora']}", "finish_reason": "stop"}
    return {"choices": [choice], "usage": {"completion_tokens": 3}}


@pytest.fixture(params=[False, True], ids=["vllm", "llama.cpp"])
def server(request: pytest.FixtureRequest, tiny: Any) -> Iterator[Server]:
    yield from serving(Server([*map(str, tiny.bundle.adapters)], files=request.param))


def serving(server: Server) -> Iterator[Server]:
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def engine(server: Server, tiny: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServerEngine]:
    monkeypatch.setattr(wire, "PAUSE", 0.01)
    with ServerEngine(tiny.bundle, server.url, timeout=2) as made:
        yield made


def test_roles_map_to_server_adapters(engine: ServerEngine, server: Server) -> None:
    roles = ["extraction", "generation", None]
    found = engine.run([Request(role, "hi", 4) for role in roles])
    assert [c.adapter for c in found] == roles
    if server.files:
        scales = [[entry["scale"] for entry in body["lora"]] for body in server.asked]
        assert sorted(map(sum, scales)) == [0.0, 1.0, 1.0]
        assert len({c.text for c in found}) == 3
    else:
        assert [c.text for c in found] == ["I am extraction", "I am generation", "I am base"]
    assert {c.completion_tokens for c in found} == {3}
    assert all(c.prompt_tokens == len(server.asked[0]["prompt"]) > 0 and c.finished and c.seconds > 0 for c in found)


def test_choice_is_read_from_logprobs(engine: ServerEngine, server: Server, tiny: Any) -> None:
    server.answer = lambda body: (200, json.dumps(told(body, {"N": -0.1, "A": -3.0})))
    (found,) = engine.run([Request("extraction", "hi", choices=("A", "N"))])
    assert found.text == "N"
    assert sum(found.probabilities) == pytest.approx(1)
    assert found.probabilities[1] > 0.9
    asked = server.asked[0]
    assert asked["max_tokens"] == 1
    assert set(asked["logit_bias"].values()) == {BIAS}
    assert len(asked["logit_bias"]) == 2
    server.answer = lambda body: (200, json.dumps(told(body, {"N": -0.1})))
    assert engine.run([Request("extraction", "hi", choices=("A", "N"))])[0].probabilities == (0.0, 1.0)


def test_missing_choices_are_an_error(engine: ServerEngine, server: Server) -> None:
    server.answer = lambda body: (200, json.dumps(told(body, {"x": -0.1})))
    with pytest.raises(EngineError, match=r"none of the choices.*processed_logprobs"):
        engine.run([Request(None, "hi", choices=("A", "N"))])


def told(body: dict[str, Any], probable: dict[str, float]) -> dict[str, Any]:
    made = completion(body)
    entries = [{"token": token, "prob": math.exp(value)} for token, value in probable.items()]
    newer = {"content": [{"top_probs": entries}]}
    made["choices"][0]["logprobs"] = newer if "lora" in body else {"top_logprobs": [probable]}
    return made


def test_callers_run_in_parallel(engine: ServerEngine, server: Server) -> None:
    both = threading.Barrier(2, timeout=2)

    def answer(body: dict[str, Any]) -> tuple[int, str]:
        both.wait()
        return 200, json.dumps(completion(body))

    server.answer = answer
    with ThreadPoolExecutor(2) as pool:
        assert len(list(pool.map(lambda role: engine.run([Request(role, "hi")]), ["extraction", None]))) == 2


def test_busy_server_is_retried(engine: ServerEngine, server: Server) -> None:
    states = iter([(503, "busy"), (429, "slowly")])
    server.answer = lambda body: next(states, (200, json.dumps(completion(body))))
    assert engine.run([Request("extraction", "hi")])[0].text.startswith("I am")
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    ("status", "answer", "message"),
    [
        (500, "broken", r"does not respond \(status 500: broken\), tried 3 time\(s\)\. Start the server"),
        (401, "who are you", r"refused \(status 401: who are you\)"),
        (200, "<html>", r"sent '<html>', which can't be read"),
        (200, "{}", r"sent '\{\}', which can't be read"),
        (200, '{"choices": []}', "which can't be read"),
        (200, '{"choices": [{"text": "hi"}], "usage": {"completion_tokens": null}}', "which can't be read"),
        (404, "nothing here", "refused"),
    ],
)
def test_server_errors_raise_engine_error(
    engine: ServerEngine, server: Server, status: int, answer: str, message: str
) -> None:
    server.answer = lambda body: (status, answer)
    with pytest.raises(EngineError, match=message):
        engine.run([Request("extraction", "hi")])
    server.answer = lambda body: (200, json.dumps(completion(body)))
    assert engine.run([Request("extraction", "hi")])[0].text


def test_missing_server_or_adapter_raises(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "PAUSE", 0.01)
    for poor in serving(Server(["extraction"])):
        with (
            ServerEngine(tiny.bundle, poor.url) as engine,
            pytest.raises(EngineError, match=r"has no adapter .*export-adapters"),
        ):
            engine.warm()
    with ServerEngine(tiny.bundle, poor.url) as engine, pytest.raises(EngineError, match="does not respond"):
        engine.warm()


def test_invalid_arguments_raise(tiny: Any) -> None:
    for options in (
        {"url": "localhost:8000"},
        {"url": "http://x/v1", "tries": 0},
        {"url": "http://x/v1", "timeout": 0},
    ):
        with pytest.raises(InvalidInputError, match="can't be used"):
            ServerEngine(tiny.bundle, **options)


def test_long_prompt_and_closed_engine_raise(engine: ServerEngine) -> None:
    with pytest.raises(PromptTooLongError):
        engine.run([Request("extraction", "hi " * 5000)])
    engine.close()
    with pytest.raises(EngineError, match="was closed"):
        engine.run([Request("extraction", "hi")])


def test_messages_survive_server_outage(server: Server, tiny: Any, tmp_path: Path) -> None:
    server.answer = lambda body: (401, "no")
    with MemLoRAMemory(path=tmp_path, experts=tiny.bundle, engine=server.url) as memory:
        with pytest.raises(EngineError, match="refused"):
            memory.add("I live in Porto.", user_id="ana")
        server.answer = lambda body: (200, json.dumps(completion(body, "1 lives in Porto")))
        assert not memory.retry().errors
        assert [memory.text for memory in memory.get_all(user_id="ana")] == ["User lives in Porto"]
