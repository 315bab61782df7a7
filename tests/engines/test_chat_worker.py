"""Tests of the worker that chats and batches share."""

import threading
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future

import pytest

from langchain_memlora.engines import ChatRequest, Completion, Engine, Request
from langchain_memlora.engines.chat import ChunkCallback
from langchain_memlora.errors import EngineError


def ask(text: str = "hi") -> ChatRequest:
    return ChatRequest(None, (("user", text),))


class LetterEngine(Engine):
    """Writes a text letter by letter, pauses on demand, and logs its requests."""

    def __init__(self, *, load_error: Exception | None = None) -> None:
        self.diary: list[str] = []
        self.load_error = load_error
        self.started, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()

    def load(self) -> None:
        if self.load_error:
            raise self.load_error

    def compute(self, requests: Sequence[Request]) -> list[Completion]:
        self.diary += [request.prompt for request in requests]
        return [Completion(request.prompt) for request in requests]

    def write(self, request: ChatRequest, say: ChunkCallback) -> Completion:
        text = request.messages[-1][1]
        self.started.set()
        assert self.go_on.wait(10)
        if text == "bad":
            raise ValueError("no such thing")
        self.diary.append(text)
        said = 0
        while said < len(text) and say(text[said]):
            said += 1
        return Completion(text[:said], finished=said == len(text))


def busy(engine: LetterEngine) -> Future[Completion]:
    engine.go_on.clear()
    first = engine.submit_chat(ask("first"))
    assert engine.started.wait(10)
    return first


def test_batch_waits_for_one_chat() -> None:
    with LetterEngine() as engine:
        busy(engine)
        chats = [engine.submit_chat(ask(text)) for text in ("second", "third")]
        batch = engine.submit([Request(None, "a"), Request(None, "b")])
        engine.go_on.set()
        assert [chat.result(10).text for chat in chats] == ["second", "third"]
        assert len(batch.result(10)) == 2
    assert engine.diary == ["first", "a", "b", "second", "third"]


def test_waiting_chat_can_be_cancelled() -> None:
    with LetterEngine() as engine:
        first = busy(engine)
        second, third = (engine.submit_chat(ask(text)) for text in ("second", "third"))
        assert second.cancel()
        engine.go_on.set()
        assert [first.result(10).text, third.result(10).text] == ["first", "third"]
        with pytest.raises(CancelledError):
            second.result(10)
    assert engine.diary == ["first", "third"]


def test_chat_error_reaches_only_its_caller() -> None:
    with LetterEngine() as engine:
        with pytest.raises(EngineError, match="LetterEngine failed: ValueError: no such thing"):
            engine.submit_chat(ask("bad")).result(10)
        assert engine.submit_chat(ask("good")).result(10).text == "good"


def test_load_error_reaches_chats_and_batches() -> None:
    engine = LetterEngine(load_error=OSError("disk on fire"))
    with engine:
        for future in (engine.submit_chat(ask()), engine.submit([Request(None, "a")])):
            with pytest.raises(EngineError, match="disk on fire"):
                future.result(10)
        engine.load_error = None
        assert engine.submit_chat(ask("well")).result(10).text == "well"


def test_close_finishes_waiting_chats() -> None:
    engine = LetterEngine()
    busy(engine)
    waiting = [engine.submit_chat(ask(text)) for text in ("second", "third")]
    closing = threading.Thread(target=engine.close)
    closing.start()
    engine.go_on.set()
    closing.join(10)
    assert [future.result(0).text for future in waiting] == ["second", "third"]
    with pytest.raises(EngineError, match="was closed"):
        engine.submit_chat(ask())


def test_engine_without_chat_raises() -> None:
    class Silent(Engine):
        def compute(self, requests: Sequence[Request]) -> list[Completion]:
            return []

    with Silent() as engine, pytest.raises(EngineError, match="Silent can't chat"):
        engine.submit_chat(ask()).result(10)
