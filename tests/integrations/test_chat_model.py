"""Tests of `ChatMemLoRA` with LangChain's own suites, on the scripted engine and the real model."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import pytest
from langchain.agents import create_agent
from langchain_core.exceptions import ContextOverflowError
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage, trim_messages
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests
from support import judge, tell

from langchain_memlora import ChatMemLoRA, MemLoRAMemory, TransformersEngine, load_bundle
from langchain_memlora.engines import ChatRequest, Completion, Engine, Request
from langchain_memlora.engines.chat import ChunkCallback
from langchain_memlora.errors import EngineError, InvalidInputError, PromptTooLongError
from langchain_memlora.testing import ScriptedEngine

REPLY = "Berlin is a fine place to live."


# -- LangChain's suites --------------------------------------------------------------------------------------------


class Standard:
    """Settings of both suites. A base of 135M parameters can't call tools or follow a schema."""

    engine: ClassVar[Engine]
    chat_model_class = ChatMemLoRA
    has_tool_calling = False
    has_structured_output = False

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"engine": self.engine}

    @pytest.fixture(autouse=True, scope="class")
    def scripted(self, request: pytest.FixtureRequest) -> Iterator[None]:
        with ScriptedEngine(chat=lambda prompt: REPLY) as request.cls.engine:
            yield


class TestScriptedUnit(Standard, ChatModelUnitTests):
    """No model, no network."""


class TestScriptedIntegration(Standard, ChatModelIntegrationTests):
    """No model, no network."""


@pytest.mark.slow
@pytest.mark.model
class TestRealIntegration(Standard, ChatModelIntegrationTests):
    """SmolLM2 with the shipped bundle."""

    @pytest.fixture(autouse=True, scope="class")
    def scripted(self, request: pytest.FixtureRequest) -> Iterator[None]:
        with TransformersEngine(load_bundle()) as request.cls.engine:
            yield

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"engine": self.engine, "max_tokens": 12}


# -- on the scripted engine ----------------------------------------------------------------------------------------


@pytest.fixture
def engine() -> Iterator[ScriptedEngine]:
    with ScriptedEngine(chat=lambda prompt: REPLY, generation=lambda prompt: "Berlin") as scripted:
        yield scripted


@pytest.fixture
def model(engine: ScriptedEngine) -> ChatMemLoRA:
    return ChatMemLoRA(engine=engine)


def test_stream_yields_words_then_usage(model: ChatMemLoRA) -> None:
    chunks = list(model.stream("Where?"))
    *words, last = chunks
    assert [chunk.text for chunk in words] == ["Berlin", " is", " a", " fine", " place", " to", " live."]
    assert all(chunk.usage_metadata is None for chunk in words)
    assert (last.text, last.chunk_position) == ("", "last")
    assert last.usage_metadata == {"input_tokens": 2, "output_tokens": 7, "total_tokens": 9}
    whole = sum(words[1:], words[0]) + last
    invoked = model.invoke("Where?")
    assert whole.text == invoked.text == REPLY
    assert whole.usage_metadata == invoked.usage_metadata
    assert whole.response_metadata == invoked.response_metadata
    assert invoked.response_metadata == {"model_name": "memlora", "adapter": None, "finish_reason": "stop"}


async def test_async_matches_sync(model: ChatMemLoRA) -> None:
    assert [chunk.text async for chunk in model.astream("Where?")] == [chunk.text for chunk in model.stream("Where?")]
    sync, twin = model.invoke("Where?"), await model.ainvoke("Where?")
    assert (sync.text, sync.usage_metadata) == (twin.text, twin.usage_metadata)


def test_call_options_override_model_options(engine: ScriptedEngine) -> None:
    model = ChatMemLoRA(engine=engine, max_tokens=3, stop=["fine"], temperature=0.5, top_p=0.9, seed=7, role=None)
    cut = model.invoke("?", stop=[])
    assert cut.text == "Berlin is a"
    assert cut.response_metadata["finish_reason"] == "length"
    stopped = model.invoke("?", max_tokens=50)
    assert stopped.text == "Berlin is a "
    assert stopped.response_metadata["finish_reason"] == "stop"
    bound = model.bind(role="generation", temperature=0.0, seed=None).invoke("?")
    assert (bound.text, bound.response_metadata["adapter"]) == ("Berlin", "generation")
    said = (("user", "?"),)
    assert engine.chats == [
        ChatRequest(None, said, 3, 0.5, 0.9, (), 7),
        ChatRequest(None, said, 50, 0.5, 0.9, ("fine",), 7),
        ChatRequest("generation", said, 3, 0.0, 0.9, ("fine",), None),
    ]


def test_message_roles_are_kept(model: ChatMemLoRA, engine: ScriptedEngine) -> None:
    blocks = HumanMessage([{"type": "text", "text": "Hi, "}, {"type": "text", "text": "you."}], name="ana")
    model.invoke([("system", "Be kind."), blocks, AIMessage("Hello."), ("user", "Where?")])
    assert engine.chats[0].messages == (
        ("system", "Be kind."),
        ("user", "Hi, you."),
        ("assistant", "Hello."),
        ("user", "Where?"),
    )


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        (ToolMessage("4", tool_call_id="1"), "type 'tool' can't be read"),
        (HumanMessage([{"type": "image_url", "image_url": {"url": "https://x.org/y.png"}}]), "holds image"),
    ],
)
def test_unsupported_messages_raise(model: ChatMemLoRA, message: Any, shown: str) -> None:
    with pytest.raises(InvalidInputError, match=shown):
        model.invoke([message])


def test_unknown_option_raises(model: ChatMemLoRA) -> None:
    with pytest.raises(InvalidInputError, match=r"temprature can't be set for a call"):
        model.invoke("?", temprature=0.3)
    with pytest.raises(ValueError, match="temperature"):
        ChatMemLoRA(engine=model.engine, temperature=-1)


def test_tools_and_structured_output_raise(model: ChatMemLoRA) -> None:
    with pytest.raises(NotImplementedError, match=r"too small to call tools.*as_middleware"):
        model.bind_tools([])
    with pytest.raises(NotImplementedError, match="too small to keep to a schema"):
        model.with_structured_output({"title": "x", "type": "object", "properties": {}})


def test_engine_error_is_raised(engine: ScriptedEngine) -> None:
    model = ChatMemLoRA(engine=engine, role="poetry")
    with pytest.raises(EngineError, match="poetry"):
        model.invoke("?")
    with pytest.raises(EngineError, match="poetry"):
        list(model.stream("?"))


def test_traces_omit_engine(engine: ScriptedEngine) -> None:
    model = ChatMemLoRA(engine=engine, model="smollm2", role="generation", temperature=0.5)
    assert model._get_ls_params()["ls_model_name"] == "smollm2"
    assert model._get_ls_params()["ls_provider"] == "memlora"
    assert model.asdict()["role"] == "generation"
    assert "engine" not in str(model.asdict()) + repr(model)


def test_tokens_are_counted_by_model(model: ChatMemLoRA, engine: ScriptedEngine) -> None:
    assert model.get_num_tokens("one two three") == 3
    talk = [HumanMessage("one two three"), AIMessage("four five"), HumanMessage("six")]
    assert model.get_num_tokens_from_messages(talk) == 9
    kept = trim_messages(talk, max_tokens=5, token_counter=model, strategy="last")
    assert [message.text for message in kept] == ["four five", "six"]
    assert engine.chats == []


def test_memory_chat_model_shares_engine(make_memory: Callable[..., MemLoRAMemory]) -> None:
    memory = make_memory(generation=lambda prompt: "Berlin")
    expert = memory.as_chat_model("generation", max_tokens=5)
    assert expert.engine is memory.engine
    assert expert.model == memory.bundle.card.base.name
    assert expert.invoke("Where?").text == "Berlin"
    assert memory.as_chat_model().role is None


# -- leaving early -------------------------------------------------------------------------------------------------


class Endless(Engine):
    """Writes a letter every few milliseconds for a minute, or until the listener stops."""

    def __init__(self) -> None:
        self.said = 0
        self.done = threading.Event()

    def compute(self, requests: Any) -> list[Completion]:
        return [Completion("") for _ in requests]

    def write(self, request: ChatRequest, say: ChunkCallback) -> Completion:
        self.done.clear()
        self.said = 1
        while say("x") and self.said < 10_000:
            self.said += 1
            time.sleep(0.005)
        self.done.set()
        return Completion("x" * self.said, finished=False)


@pytest.fixture
def endless() -> Iterator[Endless]:
    with Endless() as engine:
        yield engine


def test_closing_stream_stops_generation(endless: Endless) -> None:
    for number, chunk in enumerate(ChatMemLoRA(engine=endless).stream("?")):
        assert chunk.text == "x"
        if number == 3:
            break
    assert endless.done.wait(5)
    assert endless.said < 1000


async def test_closing_async_stream_stops_generation(endless: Endless) -> None:
    async for chunk in ChatMemLoRA(engine=endless).astream("?"):
        assert chunk.text == "x"
        break
    assert await asyncio.to_thread(endless.done.wait, 5)
    assert endless.said < 1000


@pytest.mark.parametrize("streaming", [True, False])
async def test_cancelled_task_stops_generation(endless: Endless, streaming: bool) -> None:
    model = ChatMemLoRA(engine=endless)

    async def listen() -> None:
        if streaming:
            async for _ in model.astream("?"):
                pass
        else:
            await model.ainvoke("?")

    task = asyncio.create_task(listen())
    while not endless.said:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(endless.done.wait, 5)
    assert endless.said < 1000


async def test_event_loop_is_not_blocked(endless: Endless) -> None:
    task = asyncio.create_task(ChatMemLoRA(engine=endless).ainvoke("?"))
    start, longest = time.perf_counter(), 0.0
    while (now := time.perf_counter()) - start < 0.5:
        await asyncio.sleep(0.01)
        longest = max(longest, time.perf_counter() - now)
    task.cancel()
    assert longest < 0.4


# -- with an agent -------------------------------------------------------------------------------------------------


def test_agent_streams_tokens(model: ChatMemLoRA, engine: ScriptedEngine) -> None:
    agent = create_agent(model, [], system_prompt="Be kind.")
    stream = agent.stream({"messages": [("user", "Where?")]}, stream_mode="messages")
    pieces = [message.text for message, _ in stream if isinstance(message, AIMessageChunk) and message.text]
    assert pieces == ["Berlin", " is", " a", " fine", " place", " to", " live."]
    assert engine.chats[0].messages == (("system", "Be kind."), ("user", "Where?"))


def test_agent_and_memory_share_engine(make_memory: Callable[..., MemLoRAMemory]) -> None:
    engine = ScriptedEngine(extraction=tell, memory_update=judge, chat=lambda prompt: REPLY)
    memory = make_memory(engine=engine)
    agent = create_agent(memory.as_chat_model(), middleware=[memory.as_middleware(user_id="ana")])
    agent.invoke({"messages": [("user", "I live in Berlin")]})
    stream = agent.stream({"messages": [("user", "hm where do I live?")]}, stream_mode="messages")
    assert "".join(message.text for message, _ in stream) == REPLY  # and nothing that an expert said
    assert [item.text for item in memory.get_all(user_id="ana")] == ["User live in Berlin"]
    role, system = engine.chats[-1].messages[0]
    assert (role, "User live in Berlin" in system) == ("system", True)


def test_agent_with_tools_raises(model: ChatMemLoRA) -> None:
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    with pytest.raises(NotImplementedError, match="too small to call tools"):
        create_agent(model, [add]).invoke({"messages": [("user", "1 + 1?")]})


# -- on the real model ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real() -> Iterator[TransformersEngine]:
    with TransformersEngine(load_bundle(), dtype="float32") as engine:
        yield engine


@pytest.mark.model
def test_real_model_reply_matches_stream(real: TransformersEngine) -> None:
    model = ChatMemLoRA(engine=real, max_tokens=16)
    question = [("user", "What is the capital of France?")]
    invoked = model.invoke(question)
    assert "Paris" in invoked.text
    chunks = list(model.stream(question))
    assert "".join(chunk.text for chunk in chunks) == invoked.text
    assert len(chunks) == invoked.usage_metadata["output_tokens"] + (
        invoked.response_metadata["finish_reason"] == "length"
    )
    stopped = model.invoke(question, stop=["Paris"])
    assert stopped.text == invoked.text.split("Paris")[0]
    assert stopped.response_metadata["finish_reason"] == "stop"


@pytest.mark.model
def test_long_chat_raises_context_overflow(real: TransformersEngine) -> None:
    with pytest.raises(ContextOverflowError, match="Shorten the prompt") as caught:
        ChatMemLoRA(engine=real).invoke("sea " * 9000)
    assert isinstance(caught.value.__cause__, PromptTooLongError)


@pytest.mark.model
@pytest.mark.slow
def test_threads_keep_adapters_apart(real: TransformersEngine) -> None:
    roles = (None, "extraction", "generation")
    models = {role: ChatMemLoRA(engine=real, role=role, max_tokens=8) for role in roles}
    text = "I moved from Porto to Berlin last week with my dog Bruno."
    alone = {role: models[role].invoke(text).text for role in roles}
    assert len(set(alone.values())) == len(roles)
    prompt = Request("extraction", text, 8)
    answer = real.run([prompt])[0].text

    def ask(number: int) -> bool:
        role = roles[number % 3]
        if number % 4 == 3:
            return real.run([prompt])[0].text == answer
        if number % 2:
            return "".join(chunk.text for chunk in models[role].stream(text)) == alone[role]
        return models[role].invoke(text).text == alone[role]

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(ask, range(12)))
