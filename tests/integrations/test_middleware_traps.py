"""Tests of known pitfalls of memories in LangChain agents."""

from __future__ import annotations

import asyncio
import time
from typing import Any, NotRequired

import pytest
from langchain.agents import AgentState, create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware, ModelCallLimitMiddleware
from langchain.tools import tool
from langchain_core.messages import AIMessage
from langchain_core.vectorstores import InMemoryVectorStore
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import GraphInterrupt
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command, Interrupt, interrupt
from support import BagOfWords

from langchain_memlora import MemLoRAMemory
from langchain_memlora.engines import Completion, Engine, Request
from tests.integrations.agents import THREAD, AgentModel, agent_with, block, call, say, told

APPROVE = Command(resume={"decisions": [{"type": "approve"}]})


@tool
def book(city: str) -> str:
    """Book a trip."""
    return f"Booked {city}."


class ChatEngine(Engine):
    """An engine that asks a streaming LangChain chat model in the caller's own context."""

    def __init__(self, words: str) -> None:
        self.words = words

    def compute(self, requests: Any) -> Any:
        raise NotImplementedError

    def run(self, requests: list[Request]) -> list[Completion]:
        texts = [AgentModel(answers=[self.words]).invoke(request.prompt).text for request in requests]
        return [Completion(text) for text in texts]


def stored(saver: InMemorySaver) -> str:
    """All that a checkpointer keeps, as text."""
    return repr((dict(saver.storage), dict(saver.writes), dict(saver.blobs)))


# -- hooks on the event loop


async def test_async_hooks_keep_event_loop_free(memory: MemLoRAMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    memory.add("I live in Porto", user_id="ana")
    search, add = memory.search, memory.add
    monkeypatch.setattr(memory, "search", lambda *a, **k: (time.sleep(0.6), search(*a, **k))[1])
    monkeypatch.setattr(memory, "add", lambda *a, **k: (time.sleep(0.6), add(*a, **k))[1])
    agent, model = agent_with(memory)
    longest, last, over = 0.0, time.perf_counter(), False

    async def tick() -> None:
        nonlocal longest, last
        while not over:
            await asyncio.sleep(0.01)
            now = time.perf_counter()
            longest, last = max(longest, now - last), now

    ticking = asyncio.create_task(tick())
    await agent.ainvoke({"messages": [("user", "I like tea in Porto")]})
    over = True
    await ticking
    assert "Porto" in model.recalled
    assert len(told(memory)) == 2
    assert longest < 0.5


def test_sync_and_async_runs_match(make_memory: Any, tmp_path: Any) -> None:
    seen = []
    for name in ("sync", "async"):
        memory = make_memory(path=tmp_path / name, index=InMemoryVectorStore(BagOfWords()))
        agent, model = agent_with(memory, [call("book", city="Porto"), "Done."], agent_tools=[book])
        for text in ("I live in Porto", "Where do I live?"):
            given = {"messages": [("user", text)]}
            if name == "sync":
                agent.invoke(given)
            else:
                asyncio.run(agent.ainvoke(given))
        seen.append(([[m.text for m in messages] for messages in model.seen], told(memory)))
    assert seen[0] == seen[1]


# -- two memories, other middleware


def test_two_memories_in_one_agent(make_memory: Any, tmp_path: Any, memory: MemLoRAMemory) -> None:
    team = make_memory(path=tmp_path / "team", index=InMemoryVectorStore(BagOfWords()))
    memory.add("I live in Porto", user_id="ana")
    team.add("I ship the release on Friday", user_id="team-7")
    model = AgentModel()
    both = [
        memory.as_middleware(user_id="ana"),
        team.as_middleware(user_id="team-7", write="off", name="TeamMemory", instructions="What the team knows:"),
    ]
    agent = create_agent(model, middleware=both, checkpointer=InMemorySaver())
    say(agent, "I ask: where do I live and when is the release?", THREAD)
    own, teams = sorted(model.system.split("What the team knows:"), key=lambda part: "release" in part)
    assert "Porto" in block(own)
    assert "Friday" in block(teams)
    assert len(told(memory)) == 2
    assert told(team, "team-7") == ["User ship the release on Friday"]


def test_duplicate_middleware_names_raise(memory: MemLoRAMemory) -> None:
    with pytest.raises(AssertionError, match="duplicate"):
        create_agent(AgentModel(), middleware=[memory.as_middleware(user_id=user) for user in ("ana", "ben")])


def test_works_between_other_middleware(memory: MemLoRAMemory) -> None:
    memory.add("I live in Porto", user_id="ana")
    model = AgentModel(answers=["In Porto."])
    before, after = ModelCallLimitMiddleware(run_limit=3), HumanInTheLoopMiddleware(interrupt_on={"book": True})
    agent = create_agent(model, [book], middleware=[before, memory.as_middleware(user_id="ana"), after])
    assert say(agent, "Where do I live?") == "In Porto."
    assert "Porto" in model.recalled


# -- checkpoints and streams


def test_recalled_text_stays_out_of_checkpoints(memory: MemLoRAMemory) -> None:
    memory.add("I live in Porto", user_id="ana")
    saver = InMemorySaver()
    agent, model = agent_with(memory, checkpointer=saver)
    say(agent, "Where do I live?", THREAD)
    assert "Porto" in model.recalled
    assert "Where do I live?" in stored(saver)
    assert "Porto" not in stored(saver)
    assert {namespace for thread in saver.storage.values() for namespace in thread} == {""}  # nor our graph's own state


def test_recall_is_cleared_between_runs(memory: MemLoRAMemory) -> None:
    memory.add("I live in Porto", user_id="ana")
    agent, model = agent_with(memory, checkpointer=InMemorySaver(), write="off", k=1)
    say(agent, "Where do I live?", THREAD)
    assert "Porto" in model.recalled
    memory.delete_all(user_id="ana")
    say(agent, "Where do I live?", THREAD)
    assert model.recalled == ""


@pytest.mark.parametrize("mode", ["values", "updates", "custom", "debug", "tasks", "checkpoints"])
def test_recalled_text_stays_out_of_streams(memory: MemLoRAMemory, mode: Any) -> None:
    memory.add("I live in Porto", user_id="ana")
    agent, model = agent_with(memory, checkpointer=InMemorySaver())
    given = {"messages": [("user", "hm where do I live")]}
    parts = list(agent.stream(given, THREAD, stream_mode=mode, subgraphs=True))
    assert "Porto" in model.recalled
    assert "Porto" not in repr(parts)
    assert bool(parts) == (mode != "custom")


@pytest.mark.parametrize("write", ["inline", "background"])
async def test_stream_omits_expert_tokens(make_memory: Any, write: Any) -> None:
    memory = make_memory(engine=ChatEngine("1 likes secret tea"))
    agent, _ = agent_with(memory, ["Hello my friend", "Hello my friend"], write=write)
    given = {"messages": [("user", "I like secret tea")]}
    modes = {"stream_mode": "messages", "subgraphs": True}
    sync = [part[1][0].text for part in agent.stream(given, **modes)]
    twin = [part[1][0].text async for part in agent.astream(given, **modes)]
    memory.flush()
    assert "".join(sync).split() == "".join(twin).split() == ["Hello", "my", "friend"]
    assert told(memory) == ["User likes secret tea"]


async def test_astream_events_omit_memory_events(memory: MemLoRAMemory) -> None:
    memory.add("I live in Porto", user_id="ana")
    agent, _ = agent_with(memory, ["Hello"])
    given = {"messages": [("user", "Where do I live?")]}
    names = {event["name"] async for event in agent.astream_events(given, version="v2")}
    assert "AgentModel" in names
    assert not names & {"remember", "respond", "extract", "commit"}


@pytest.mark.parametrize("write", ["inline", "background"])
def test_stream_events_omit_expert_tokens(make_memory: Any, write: Any) -> None:
    memory = make_memory(engine=ChatEngine("1 likes secret tea"))
    agent, _ = agent_with(memory, ["Hello my friend"], write=write)
    run = agent.stream_events({"messages": [("user", "I like secret tea")]}, version="v3")
    assert [str(message.text).split() for message in run.messages] == [["Hello", "my", "friend"]]
    memory.flush()
    assert told(memory) == ["User likes secret tea"]


def test_traces_omit_conversation(memory: MemLoRAMemory) -> None:
    policy = memory.as_middleware(user_id="ana").trace_policy
    given = {"request": {"messages": ["I live in Porto"]}}
    assert "Porto" not in repr(policy.process_inputs(given))
    assert "Porto" not in repr(policy.process_outputs(given))


def test_agent_as_subgraph_node(memory: MemLoRAMemory) -> None:
    memory.add("I live in Porto", user_id="ana")
    agent, model = agent_with(memory)
    graph = StateGraph(MessagesState).add_node("agent", agent).add_edge(START, "agent")
    saver = InMemorySaver()
    graph.compile(checkpointer=saver).invoke({"messages": [("user", "Where do I live?")]}, THREAD)
    assert "Porto" in model.recalled
    assert "Porto" not in stored(saver)


# -- interrupts


@pytest.mark.parametrize("restarted", [False, True], ids=["same process", "new process"])
def test_resumed_run_keeps_memories(memory: MemLoRAMemory, restarted: bool) -> None:
    memory.add("I live in Porto", user_id="ana")
    saver, careful = InMemorySaver(), HumanInTheLoopMiddleware(interrupt_on={"book": True})
    options: dict[str, Any] = {"agent_tools": [book], "before": [careful], "checkpointer": saver}
    later = [call("book", city="Oslo"), "Booked!"]
    agent, model = agent_with(memory, [call("book", city="Porto"), *later], **options)
    out = agent.invoke({"messages": [("user", "I like trips to where I live")]}, THREAD)
    assert "__interrupt__" in out
    assert len(told(memory)) == 1  # the run is not over
    if restarted:
        agent, model = agent_with(memory, later, **options)
    for _ in range(2):
        out = agent.invoke(APPROVE, THREAD)
    assert out["messages"][-1].text == "Booked!"
    assert "Porto" in model.recalled
    assert len(model.seen) == (2 if restarted else 3)
    assert told(memory) == ["User live in Porto", "User like trips to where I live"]
    assert "User live in Porto" not in stored(saver)


def test_middleware_added_before_resume(memory: MemLoRAMemory) -> None:
    memory.add("I live in Porto", user_id="ana")
    saver, careful = InMemorySaver(), HumanInTheLoopMiddleware(interrupt_on={"book": True})
    old = create_agent(
        AgentModel(answers=[call("book", city="Porto")]), [book], middleware=[careful], checkpointer=saver
    )
    old.invoke({"messages": [("user", "I like trips to where I live")]}, THREAD)
    agent, model = agent_with(memory, agent_tools=[book], before=[careful], checkpointer=saver)
    assert agent.invoke(APPROVE, THREAD)["messages"][-1].text == "ok"
    assert "Porto" in model.recalled
    say(agent, "I like tea", THREAD)
    assert told(memory) == ["User live in Porto", "User like tea"]


async def test_resumed_async_run_keeps_memories(memory: MemLoRAMemory) -> None:
    memory.add("I live in Porto", user_id="ana")
    careful = HumanInTheLoopMiddleware(interrupt_on={"book": True})
    agent, model = agent_with(
        memory, [call("book", city="Porto")], agent_tools=[book], before=[careful], checkpointer=InMemorySaver()
    )
    await agent.ainvoke({"messages": [("user", "I like trips to where I live")]}, THREAD)
    await agent.ainvoke(APPROVE, THREAD)
    assert "Porto" in model.recalled
    assert len(told(memory)) == 2


def test_user_id_function_can_interrupt(memory: MemLoRAMemory) -> None:
    agent, _ = agent_with(memory, user_id=lambda run: interrupt("Who are you?"), checkpointer=InMemorySaver())
    out = agent.invoke({"messages": [("user", "I like tea")]}, THREAD)
    assert out["__interrupt__"][0].value == "Who are you?"
    while "__interrupt__" in out:
        out = agent.invoke(Command(resume="ben"), THREAD)
    assert told(memory, "ben") == ["User like tea"]


def test_interrupt_from_memory_is_not_swallowed(memory: MemLoRAMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(*args: Any, **options: Any) -> None:
        raise GraphInterrupt([Interrupt(value="May I look?", id="1")])

    monkeypatch.setattr(memory, "search", ask)
    agent, model = agent_with(memory, checkpointer=InMemorySaver())
    assert "__interrupt__" in agent.invoke({"messages": [("user", "I like tea")]}, THREAD)
    assert not model.seen


# -- structured output, own state


def test_agent_state_and_output_are_unchanged(memory: MemLoRAMemory) -> None:
    class Own(AgentState):
        mood: NotRequired[str]

    agent = create_agent(AgentModel(), middleware=[memory.as_middleware(user_id="ana")], state_schema=Own)
    out = agent.invoke({"messages": [AIMessage("Hi"), ("user", "I like tea")], "mood": "good"})
    assert set(out) == {"messages", "mood"}
