"""Tests that redacted text is stored nowhere, whatever redacts it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware, PIIMiddleware, SummarizationMiddleware
from langchain_core.messages import HumanMessage, RemoveMessage
from langgraph.checkpoint.memory import InMemorySaver
from support.field_faults import Make, everything, in_files, model, say, texts, weather

from langchain_memlora import MemLoRAMemory
from langchain_memlora.errors import InvalidInputError
from tests.integrations.agents import call

pytestmark = pytest.mark.slow

# -- redaction by other middleware -------------------------------------------------------------------------------------


class Redactor(AgentMiddleware):
    """Middleware that replaces or removes a secret in one of its hooks."""

    def __init__(self, hook: str, secret: str, *, new_id: bool = False, drop: bool = False) -> None:
        super().__init__()
        self.secret, self.new_id, self.drop, self._hook = secret, new_id, drop, hook

    def _clean(self, state: Any, hook: str) -> Any:
        out: list[Any] = []
        for message in state["messages"] if hook == self._hook else ():
            if self.secret in message.text:
                text = message.text.replace(self.secret, "[gone]")
                if self.drop or self.new_id:
                    out.append(RemoveMessage(id=message.id))
                    out += [] if self.drop else [HumanMessage(text, id=f"clean-{message.id}")]
                else:
                    out.append(message.model_copy(update={"content": text}))
        return {"messages": out} if out else None

    def before_agent(self, state: Any, runtime: Any) -> Any:
        return self._clean(state, "before_agent")

    def before_model(self, state: Any, runtime: Any) -> Any:
        return self._clean(state, "before_model")

    def after_model(self, state: Any, runtime: Any) -> Any:
        return self._clean(state, "after_model")


def summarizer() -> SummarizationMiddleware:
    return SummarizationMiddleware(model(*["A talk about weather."] * 9), trigger=("messages", 4), keep=("messages", 2))


def two_calls() -> list[Any]:
    return [call("weather", city="Porto"), call("weather", city="Oslo"), "Rain in both."]


PII = [
    (
        "I live in Porto, write to ana.silva@example.com",
        "ana.silva@example.com",
        {"pii_type": "email", "strategy": "mask"},
    ),
    ("I live in Porto, pay by 4111 1111 1111 1111", "4111 1111 1111", {"pii_type": "credit_card", "strategy": "hash"}),
    ("I live in Porto, my server is 192.168.77.13", "192.168.77.13", {"pii_type": "ip", "strategy": "redact"}),
    (
        "I live in Porto, my key is sk-abcd1234",
        "sk-abcd1234",
        {"pii_type": "api_key", "detector": r"sk-[a-z0-9]{8}", "strategy": "redact"},
    ),
]
ORDERS = ["MPS", "MSP", "PMS", "PSM", "SPM", "SMP"]


def stack(memory: MemLoRAMemory, order: str, redacting: Any, **options: Any) -> list[Any]:
    parts = {"M": memory.as_middleware(user_id="ana", **options), "P": redacting, "S": summarizer()}
    return [parts[letter] for letter in order]


@pytest.mark.parametrize("order", ORDERS)
def test_any_order_of_three_middleware(memory: MemLoRAMemory, order: str) -> None:
    text, secret, options = PII[ORDERS.index(order) % 2]
    agent = create_agent(model(*two_calls()), [weather], middleware=stack(memory, order, PIIMiddleware(**options)))
    end = say(agent, text)
    assert not any(secret in message.text for message in end)
    assert secret not in everything(memory, "Where do I live, pay, write to?")
    assert in_files(memory, secret) == []
    assert not any(secret in request.prompt for request in memory.engine.calls)


@pytest.mark.parametrize("how", ["stream", "astream", "ainvoke"])
def test_streams_and_async_runs(memory: MemLoRAMemory, how: str) -> None:
    text, secret, options = PII[2 if how == "astream" else 3]
    agent = create_agent(model(*two_calls()), [weather], middleware=stack(memory, "MPS", PIIMiddleware(**options)))
    given = {"messages": [("user", text)]}

    async def run() -> None:
        if how == "ainvoke":
            await agent.ainvoke(given)
        else:
            async for _ in agent.astream(given, stream_mode="messages"):
                pass

    if how == "stream":
        list(agent.stream(given, stream_mode="messages"))
    else:
        asyncio.run(run())
    assert secret not in everything(memory, "Where do I live?", "server key")
    assert in_files(memory, secret) == []


@pytest.mark.parametrize(
    ("order", "hook"),
    [
        ("MPS", "before_agent"),
        ("MPS", "before_model"),
        ("PMS", "before_model"),
        ("SPM", "before_model"),
        ("MPS", "after_model"),
        ("PMS", "after_model"),
    ],
)
def test_redaction_in_any_hook(memory: MemLoRAMemory, order: str, hook: str) -> None:
    agent = create_agent(model(*two_calls()), [weather], middleware=stack(memory, order, Redactor(hook, "tulip-9")))
    say(agent, "I live in Porto and my password is tulip-9")
    assert "tulip-9" not in everything(memory, "What is my password?", "Where do I live?")
    assert in_files(memory, "tulip-9") == []


@pytest.mark.parametrize("with_summary", [False, True])
def test_redaction_under_a_new_id(memory: MemLoRAMemory, with_summary: bool) -> None:
    # The hook returns a RemoveMessage, and a clean message with another id in its place.
    order = "MPS" if with_summary else "MP"
    redactor = Redactor("before_model", "tulip-9", new_id=True)
    agent = create_agent(model(*two_calls()), [weather], middleware=stack(memory, order, redactor))
    say(agent, "I live in Porto and my password is tulip-9")
    assert "tulip-9" not in everything(memory, "What is my password?", "Where do I live?")
    assert in_files(memory, "tulip-9") == []


@pytest.mark.parametrize("order", ["MP", "PM", "MPS"])
def test_removed_message_is_not_written(memory: MemLoRAMemory, order: str) -> None:
    # A message that a middleware removes, with no summary in its place, counts as redacted.
    redactor = Redactor("before_model", "tulip-9", drop=True)
    agent = create_agent(model(*two_calls()), [weather], middleware=stack(memory, order, redactor))
    agent.invoke({"messages": [("user", "My password is tulip-9"), ("user", "hm how is the weather")]})
    assert in_files(memory, "tulip-9") == []


@pytest.mark.parametrize("write", ["inline", "background"])
def test_crash_after_redaction(memory: MemLoRAMemory, write: str) -> None:
    answers = [call("weather", city="Porto"), call("weather", city="Oslo"), RuntimeError("overloaded"), "Great."]
    text, secret, options = PII[0]
    middleware = stack(memory, "MPS", PIIMiddleware(**options), write=write)
    agent = create_agent(model(*answers), [weather], middleware=middleware, checkpointer=InMemorySaver())
    thread = {"configurable": {"thread_id": "x"}}
    with pytest.raises(RuntimeError):
        say(agent, text, thread)
    say(agent, "I like tea", thread)
    memory.flush()
    assert in_files(memory, secret) == []
    assert any("tea" in text for text in texts(memory))


@pytest.mark.parametrize("order", ["MPS", "PMS", "SPM"])
def test_redacted_message_is_kept(memory: MemLoRAMemory, order: str) -> None:
    # A summary takes its place in the thread.
    agent = create_agent(model(*two_calls()), [weather], middleware=stack(memory, order, PIIMiddleware("email")))
    say(agent, "I live in Porto, write to ana.silva@example.com")
    assert "Porto" in "\n".join(texts(memory))
    assert in_files(memory, "ana.silva@example.com") == []


# -- a `redact` hook that leaves nothing -------------------------------------------------------------------------------

HOOKS = [lambda text: "", lambda text: "   ", lambda text: "\n\t \n", lambda text: "\u00a0", lambda text: None]


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("asynchronous", [False, True])
def test_agent_saves_nothing(make: Make, hook: Any, asynchronous: bool) -> None:
    memory = make(redact=hook)
    chat = model(call("save_memory", fact="User's PIN is 1234."), "Sorry, I can't keep that.")
    agent = create_agent(chat, middleware=[memory.as_middleware(user_id="ana", tools=True)])
    given = {"messages": [("user", "hm keep my PIN 1234")]}
    end = (asyncio.run(agent.ainvoke(given)) if asynchronous else agent.invoke(given))["messages"]
    (result,) = [message for message in end if message.type == "tool"]
    assert end[-1].text == "Sorry, I can't keep that."
    assert "Saved with id" not in result.text
    assert result.text.strip()
    assert texts(memory) == []
    assert in_files(memory, "1234") == []


@pytest.mark.parametrize("hook", HOOKS)
def test_other_ways_save_nothing(make: Make, hook: Any) -> None:
    # A hook that returns None may raise InvalidInputError.
    memory = make(redact=hook)
    for options in ({"infer": False}, {"background": True}, {}):
        with contextlib.suppress(InvalidInputError):
            memory.add("My PIN is 1234.", user_id="ana", **options)
    memory.flush()
    save = memory.as_tools(user_id="ana")[1]
    assert "Saved with id" not in str(save.invoke({"fact": "User's PIN is 1234."}))
    assert texts(memory) == []


def test_emptied_update_changes_nothing(make: Make) -> None:
    memory = make(redact=lambda text: "" if "1234" in text else text)
    key = memory.add("I like tea.", user_id="ana", infer=False).operations[0].memory_id
    result = str(memory.as_tools(user_id="ana")[2].invoke({"memory_id": key, "text": "User's PIN is 1234."}))
    assert "1234" not in result
    assert "Updated." not in result
    assert texts(memory) == ["I like tea."]


@pytest.mark.parametrize("infer", [True, False])
def test_other_messages_are_kept(make: Make, infer: bool) -> None:
    memory = make(redact=lambda text: " " if "1234" in text else text)
    memory.add(["I like tea.", "My PIN is 1234.", "I own a cat."], user_id="ana", infer=infer)
    assert len(texts(memory)) == 2
    assert in_files(memory, "1234") == []
