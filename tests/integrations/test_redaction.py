"""Tests that what other middleware of an agent redacts or refuses reaches no door of the memory."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain.agents import create_agent
from langchain.agents.middleware import (
    AgentMiddleware,
    HumanInTheLoopMiddleware,
    ModelCallLimitMiddleware,
    PIIDetectionError,
    PIIMiddleware,
    SummarizationMiddleware,
)
from langchain.agents.middleware.types import hook_config
from langchain.tools import tool
from langchain_core.messages import AIMessage, RemoveMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from support import BagOfWords
from support.files import files_with

from langchain_memlora import MemLoRAMemory
from tests.integrations.agents import THREAD, AgentModel, call, told

ADDRESS = "zebrafish@example.com"
APPROVE = Command(resume={"decisions": [{"type": "approve"}]})
STRATEGIES = ("redact", "mask", "hash")
_users = itertools.count()


@tool
def look_up(name: str) -> str:
    """Look a person up."""
    return f"{name} has the address {ADDRESS}"


@tool(return_direct=True)
def answer_with(name: str) -> str:
    """Look a person up, and answer with that."""
    return f"{name} has the address {ADDRESS}"


def pii(strategy: str = "redact", **options: Any) -> PIIMiddleware:
    return PIIMiddleware("email", strategy=strategy, **options)  # type: ignore[arg-type]


def everywhere(strategy: str = "redact") -> PIIMiddleware:
    return pii(strategy, apply_to_output=True, apply_to_tool_results=True)


def summarizer(trigger: int = 4, keep: int = 2) -> SummarizationMiddleware:
    model = AgentModel(answers=["All was discussed."] * 99)
    return SummarizationMiddleware(model, trigger=("messages", trigger), keep=("messages", keep))


class Watched:
    """A memory whose every door is searched for an address."""

    def __init__(self, make_memory: Any, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        self.embeddings = BagOfWords()
        self.memory: MemLoRAMemory = make_memory(embeddings=self.embeddings)
        self._caplog = caplog

    def leaks(self, secret: str = ADDRESS) -> list[str]:
        """Return the doors that the secret came through."""
        memory = self.memory
        prompts = [request.prompt for request in memory.engine.calls]  # type: ignore[attr-defined]
        logged = [record.getMessage() for record in self._caplog.records if record.name.startswith("langchain_memlora")]
        doors = {"prompt": prompts, "embedder": self.embeddings.embedded, "log": logged}
        found = [name for name, texts in doors.items() if any(secret in text for text in texts)]
        return [*found, *files_with(secret.encode(), memory.path)]

    def turns(self, user_id: str = "ana") -> list[str]:
        hits = self.memory.search("user assistant", user_id=user_id, include="turns", k=50)
        return [turn.text for hit in hits for turn in hit.turns]


@pytest.fixture
def backend() -> str:
    return "chroma"  # its vectors are in files


@pytest.fixture
def watched(make_memory: Any, caplog: pytest.LogCaptureFixture) -> Watched:
    return Watched(make_memory, caplog)


def agent_of(
    middleware: Sequence[Any], answers: Sequence[Any] = (), tools: Sequence[Any] = (look_up,), **options: Any
) -> Any:
    return create_agent(AgentModel(answers=list(answers)), list(tools), middleware=list(middleware), **options)


def ask(agent: Any, text: str, config: Any = None) -> Any:
    return agent.invoke({"messages": [("user", text)]}, config)


@pytest.mark.parametrize(
    ("order", "strategy"), zip(itertools.permutations(range(3)), itertools.cycle(STRATEGIES), strict=False)
)
def test_redacted_input_and_output(watched: Watched, order: Sequence[int], strategy: str) -> None:
    ours = watched.memory.as_middleware(user_id="ana", tool_messages=True, tools=True)
    parts = [ours, everywhere(strategy), summarizer()]
    answers = [call("look_up", name="Tom"), call("look_up", name="Ada"), f"Write to {ADDRESS}"]
    agent = agent_of([parts[at] for at in order], answers, checkpointer=InMemorySaver())
    ask(agent, f"I read my mail at {ADDRESS} daily", THREAD)
    ask(agent, "I like tea", THREAD)
    assert watched.leaks() == []
    assert [text for text in told(watched.memory) if "read my mail at" in text]
    assert "User like tea" in told(watched.memory)


async def test_redacted_stream(watched: Watched) -> None:
    ours = watched.memory.as_middleware(user_id="ana", tool_messages=True)
    for position, parts in enumerate(([ours, everywhere()], [everywhere(), ours])):
        agent = agent_of(parts, [call("look_up", name="Tom"), f"Write to {ADDRESS}"] * 2)
        messages = {"messages": [("user", f"I read mail at {ADDRESS} on day {position}")]}
        list(agent.stream(messages, stream_mode="messages"))
        _ = [part async for part in agent.astream(messages, stream_mode="updates")]
    assert watched.leaks() == []
    assert sum("read mail at [REDACTED_EMAIL]" in text for text in watched.turns()) == 4


@given(data=st.data())
@settings(max_examples=12)
def test_any_order_and_length(watched: Watched, data: Any) -> None:
    user, secret = f"user-{next(_users)}", f"quokka{next(_users)}x@example.com"
    memory = watched.memory
    ours = memory.as_middleware(user_id=user, tool_messages=data.draw(st.booleans(), "tool messages"))
    parts = [
        ours,
        everywhere(data.draw(st.sampled_from(STRATEGIES), "strategy")),
        *data.draw(st.lists(st.builds(summarizer, st.integers(2, 6), st.integers(1, 3)), max_size=1), "summaries"),
        *data.draw(st.lists(st.builds(ModelCallLimitMiddleware, run_limit=st.integers(1, 3)), max_size=1), "limits"),
    ]
    order = data.draw(st.permutations(parts), "order")
    steps = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=3), "tool calls of each run")
    saver = InMemorySaver() if data.draw(st.booleans(), "checkpoints") else None

    @tool
    def reveal() -> str:
        """Return an address."""
        return f"It is {secret}"

    for number, count in enumerate(steps):
        answers = [AIMessage(f"See {secret}", tool_calls=call("reveal").tool_calls) for _ in range(count)]
        agent = agent_of(order, [*answers, f"Write to {secret}"], [reveal], checkpointer=saver)
        given_message = {"messages": [("user", f"I write to {secret} as number {number}")]}
        if data.draw(st.booleans(), "async"):
            asyncio.run(agent.ainvoke(given_message, THREAD))
        else:
            agent.invoke(given_message, THREAD)
    assert watched.leaks(secret) == []


# -- runs that are refused, interrupted or never reach the model


@pytest.mark.parametrize("restarted", [False, True], ids=["same process", "new process"])
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("blocked", ["input", "output", "tool results"])
def test_blocked_message_is_never_stored(watched: Watched, blocked: str, first: bool, restarted: bool) -> None:
    saver, block = InMemorySaver(), everywhere("block")

    def agent(*answers: Any) -> Any:
        ours = watched.memory.as_middleware(user_id="ana", tool_messages=True)
        return agent_of([ours, block] if first else [block, ours], answers, checkpointer=saver)

    answers = {"input": [], "output": [f"Write to {ADDRESS}"], "tool results": [call("look_up", name="Tom")]}[blocked]
    one = agent(*answers, "Fine.", "Good.")
    with pytest.raises(PIIDetectionError):
        ask(one, f"I read mail at {ADDRESS}" if blocked == "input" else "I like tea", THREAD)
    assert watched.turns() == []
    two = agent("Fine.", "Good.") if restarted else one
    state = two.get_state(THREAD).values["messages"]
    if blocked == "tool results":  # the thread stays blocked until its owner removes the result
        two.update_state(THREAD, {"messages": [RemoveMessage(state[-1].id), RemoveMessage(state[-2].id)]})
    ask(two, "I keep bees", THREAD)
    ask(two, "I play the cello", THREAD)
    assert watched.leaks() == []
    stored = told(watched.memory)
    assert {"User keep bees", "User play the cello"} <= {*stored}
    assert ("User like tea" in stored) == (blocked != "input")


def test_run_without_model_call_stores_nothing(watched: Watched) -> None:
    class Refusing(AgentMiddleware):
        @hook_config(can_jump_to=["end"])
        def before_agent(self, state: Any, runtime: Any) -> dict[str, Any] | None:
            if ADDRESS not in state["messages"][-1].text:
                return None
            return {"messages": [AIMessage("I can't take that.")], "jump_to": "end"}

    for position in (0, 1):
        parts: list[Any] = [Refusing()]
        parts.insert(position, watched.memory.as_middleware(user_id="ana"))
        agent = agent_of(parts, checkpointer=InMemorySaver())
        for text in (f"I read mail at {ADDRESS}", f"I like tea of kind {position}") * 2:
            ask(agent, text, THREAD)
    assert watched.leaks() == []
    assert {text for text in watched.turns() if "tea" in text} == {"I like tea of kind 0", "I like tea of kind 1"}


def test_limit_before_redaction(watched: Watched) -> None:
    limit = ModelCallLimitMiddleware(thread_limit=1, exit_behavior="end")
    ours = watched.memory.as_middleware(user_id="ana")
    agent = agent_of([limit, ours, pii()], checkpointer=InMemorySaver())
    ask(agent, "I like tea", THREAD)
    ask(agent, f"I read mail at {ADDRESS}", THREAD)  # ends before the address is redacted
    assert watched.leaks() == []
    assert told(watched.memory) == ["User like tea"]


def test_direct_tool_result_waits_for_redaction(watched: Watched) -> None:
    ours = watched.memory.as_middleware(user_id="ana", tool_messages=True)
    agent = agent_of(
        [ours, everywhere()], [call("answer_with", name="Tom"), "Yes."], [answer_with], checkpointer=InMemorySaver()
    )
    ask(agent, "I look for Tom", THREAD)
    assert "I look for Tom" in watched.turns()
    ask(agent, "I like tea", THREAD)
    assert watched.leaks() == []
    assert "Tom has the address [REDACTED_EMAIL]" in watched.turns()


@pytest.mark.parametrize("restarted", [False, True], ids=["same process", "new process"])
@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
def test_redaction_across_interrupt(watched: Watched, restarted: bool, asynchronous: bool) -> None:
    saver = InMemorySaver()

    def agent(*answers: Any) -> Any:
        ours = watched.memory.as_middleware(user_id="ana", tool_messages=True)
        careful = HumanInTheLoopMiddleware(interrupt_on={"look_up": True})
        return agent_of([ours, careful, everywhere(), summarizer(5, 3)], answers, checkpointer=saver)

    def run(agent: Any, given_state: Any) -> Any:
        return asyncio.run(agent.ainvoke(given_state, THREAD)) if asynchronous else agent.invoke(given_state, THREAD)

    later = [call("look_up", name="Ada"), f"Write to {ADDRESS}"]
    one = agent(call("look_up", name="Tom"), *later)
    out = run(one, {"messages": [("user", f"I read mail at {ADDRESS} now")]})
    assert "__interrupt__" in out
    assert watched.turns() == []
    two = agent(*later) if restarted else one
    for _ in range(2):
        out = run(two, APPROVE)
    assert "__interrupt__" not in out
    assert watched.leaks() == []
    assert told(watched.memory) == ["User read mail at [REDACTED_EMAIL] now"]


def test_removed_message_is_stored_as_last_received(watched: Watched) -> None:
    class Forgetful(AgentMiddleware):
        def after_model(self, state: Any, runtime: Any) -> dict[str, Any]:
            return {"messages": [RemoveMessage(message.id) for message in state["messages"][:-1]]}

    for position in range(3):
        parts: list[Any] = [pii(), Forgetful()]
        parts.insert(position, watched.memory.as_middleware(user_id="ana"))
        ask(agent_of(parts), f"I read mail at {ADDRESS} on day {position}")
    assert watched.leaks() == []
    assert sum("read mail at [REDACTED_EMAIL]" in text for text in watched.turns()) == 3


def test_message_removed_before_a_model_call_is_not_stored(watched: Watched) -> None:
    class Censor(AgentMiddleware):
        def before_model(self, state: Any, runtime: Any) -> dict[str, Any]:
            return {"messages": [RemoveMessage(m.id) for m in state["messages"] if ADDRESS in m.text]}

    for position in (0, 1):
        parts: list[Any] = [Censor()]
        parts.insert(position, watched.memory.as_middleware(user_id="ana"))
        agent_of(parts).invoke({"messages": [("user", "I like tea"), ("user", f"I read mail at {ADDRESS}")]})
    assert watched.leaks() == []
    assert told(watched.memory) == ["User like tea"]
