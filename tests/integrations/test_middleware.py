"""Tests of the middleware in an agent."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import SummarizationMiddleware
from langchain.tools import tool
from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage, SystemMessage
from langgraph.checkpoint.memory import InMemorySaver
from support import MAY_8
from support.pixels import block, png

from langchain_memlora import MemLoRAMemory
from langchain_memlora.errors import EngineError, InvalidInputError, MissingUserError
from tests.integrations.agents import THREAD, AgentModel, agent_with, call, say, told


@dataclass
class Context:
    user_id: str | None = None


@tool
def weather(city: str) -> str:
    """The weather in a city."""
    return f"Rain in {city}."


def turns(memory: MemLoRAMemory, user_id: str = "ana") -> list[str]:
    """All stored messages that mention nothing forgotten."""
    hits = memory.search("user assistant", user_id=user_id, include="turns", k=50)
    return sorted(turn.text for hit in hits for turn in hit.turns)


# -- whose memory


def test_user_comes_from_run_context(memory: MemLoRAMemory) -> None:
    agent, model = agent_with(memory, user_id=lambda run: run.context.user_id, context_schema=Context)
    say(agent, "I live in Porto", context=Context("ana"))
    say(agent, "I live in Oslo", context=Context("ben"))
    assert (told(memory, "ana"), told(memory, "ben")) == (["User live in Porto"], ["User live in Oslo"])
    say(agent, "Where do I live?", context=Context("ben"))
    assert "Oslo" in model.recalled
    assert "Porto" not in model.recalled


@pytest.mark.parametrize("context", [None, Context(), Context(""), Context("*")])
def test_run_without_user_raises(memory: MemLoRAMemory, context: Any) -> None:
    agent, model = agent_with(memory, user_id=lambda run: run.context.user_id, context_schema=Context)
    with pytest.raises(MissingUserError, match="user"):
        say(agent, "I live in Porto", context=context)
    assert not model.seen


@pytest.mark.parametrize("user_id", [None, "", "  ", "*", 7])
def test_middleware_without_user_raises(memory: MemLoRAMemory, user_id: Any) -> None:
    with pytest.raises(MissingUserError):
        memory.as_middleware(user_id=user_id)


@pytest.mark.parametrize(
    "options",
    [
        {"write": "later"},
        {"k": 0},
        {"budget": 0},
        {"recall_timeout": 0},
        {"name": ""},
        {"name": "a:b"},
        {"agent_id": 7},
    ],
)
def test_invalid_options_raise(memory: MemLoRAMemory, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match="Pass"):
        memory.as_middleware(user_id="ana", **options)


def test_agent_memories_are_private(memory: MemLoRAMemory) -> None:
    memory.add("I like tea", user_id="ana")
    coach, _ = agent_with(memory, agent_id="coach")
    say(coach, "I run marathons")
    chef, model = agent_with(memory, agent_id="chef", write="off")
    say(chef, "I like tea and marathons?")
    assert "tea" in model.recalled
    assert "run" not in model.recalled
    view = memory.for_user("ana", agent_id="coach").as_middleware(write="off")
    own = AgentModel()
    create_agent(own, middleware=[view]).invoke({"messages": [("user", "marathons")]})
    assert "marathons" in own.recalled


# -- what the model sees


def test_empty_recall_keeps_system_message(memory: MemLoRAMemory) -> None:
    agent, model = agent_with(memory, system_prompt="Be brief.")
    say(agent, "Hello")
    assert model.system == "Be brief."


def test_system_message_blocks_are_kept(memory: MemLoRAMemory) -> None:
    memory.add("I live in Porto", user_id="ana")
    cached = {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}
    agent, model = agent_with(memory, system_prompt=SystemMessage([cached]))
    say(agent, "Where do I live?")
    content = model.seen[-1][0].content
    assert content[0] == cached
    assert "Porto" in content[1]["text"]


def test_messages_in_thread_are_not_recalled(memory: MemLoRAMemory) -> None:
    agent, model = agent_with(memory, ["hm noted", "hm noted"], checkpointer=InMemorySaver())
    say(agent, "hm what a day in Porto", THREAD)
    say(agent, "hm what did I say of Porto", THREAD)
    assert model.recalled == ""
    say(agent, "hm what did I say of Porto", {"configurable": {"thread_id": "thread-2"}})
    assert "user: hm what a day in Porto" in model.recalled


def test_k_and_budget_limit_recall(memory: MemLoRAMemory) -> None:
    for city in ("Porto", "Oslo", "Rome", "Bern"):
        memory.add(f"My friend in {city} likes tea", user_id="ana", observed_at=MAY_8, infer=False)
    lines = {}
    for name, options in {"all": {}, "k": {"k": 2}, "budget": {"budget": 20}}.items():
        agent, model = agent_with(memory, write="off", include="memories", **options)
        say(agent, "Which friends like tea?")
        lines[name] = model.recalled.count("- My friend")
    assert lines["all"] == 4
    assert lines["k"] == 2
    assert 1 <= lines["budget"] < 4


def test_recall_runs_once_per_run(memory: MemLoRAMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    memory.add("I live in Porto", user_id="ana")
    searches = []
    search = memory.search
    monkeypatch.setattr(memory, "search", lambda *a, **k: searches.append(a) or search(*a, **k))
    agent, model = agent_with(memory, [call("weather", city="Porto"), "Rain."], agent_tools=[weather])
    assert say(agent, "How is the weather where I live?") == "Rain."
    assert len(model.seen) == 2
    assert all("Porto" in messages[0].text for messages in model.seen)
    assert len(searches) == 1


def test_image_only_message_recalls_nothing(memory: MemLoRAMemory, caplog: pytest.LogCaptureFixture) -> None:
    memory.add("I live in Porto", user_id="ana")
    agent, model = agent_with(memory, ["A cat."])
    image = block(png())
    assert say(agent, [image]) == "A cat."
    assert model.system == ""
    say(agent, [{"type": "text", "text": "I have a cat"}, image])  # no vision expert: the words are kept
    assert "User have a cat" in told(memory)
    assert not caplog.records


# -- what is written


def test_only_new_messages_are_stored(memory: MemLoRAMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    given = []
    add = memory.add
    monkeypatch.setattr(memory, "add", lambda messages, **k: given.append(messages) or add(messages, **k))
    agent, _ = agent_with(memory, ["Nice!", "Great!"], checkpointer=InMemorySaver())
    say(agent, "I live in Porto", THREAD)
    say(agent, "I like tea", THREAD)
    assert [[m.text for m in messages] for messages in given] == [
        ["I live in Porto", "Nice!"],
        ["I like tea", "Great!"],
    ]
    assert {t.thread_id for hit in memory.search("tea", user_id="ana", k=9) for t in hit.turns} == {"thread-1"}


def test_replayed_history_is_not_stored_again(memory: MemLoRAMemory) -> None:
    agent, _ = agent_with(memory, ["Nice!", "Great!"])
    history: list[Any] = [("user", "I live in Porto")]
    history = agent.invoke({"messages": history})["messages"]
    plain = [(message.type, message.text) for message in history]  # a client that keeps no ids
    agent.invoke({"messages": [*plain, ("user", "I like tea")]})
    assert told(memory) == ["User live in Porto", "User like tea"]
    assert turns(memory) == ["Great!", "I like tea", "I live in Porto", "Nice!"]


def test_earlier_thread_messages_are_not_stored(memory: MemLoRAMemory) -> None:
    saver = InMemorySaver()
    create_agent(AgentModel(), checkpointer=saver).invoke({"messages": [("user", "I live in Porto")]}, THREAD)
    agent, _ = agent_with(memory, checkpointer=saver)
    say(agent, "I like tea", THREAD)
    assert told(memory) == ["User like tea"]


def test_next_run_stores_crashed_runs_messages(memory: MemLoRAMemory) -> None:
    answers = [call("weather", city="Porto"), RuntimeError("overloaded"), "Great!"]
    agent, _ = agent_with(memory, answers, agent_tools=[weather], checkpointer=InMemorySaver())
    with pytest.raises(RuntimeError, match="overloaded"):
        say(agent, "I live in Porto", THREAD)
    assert told(memory) == []
    say(agent, "I like tea", THREAD)
    assert told(memory) == ["User live in Porto", "User like tea"]


def test_next_run_retries_failed_write(memory: MemLoRAMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    agent, _ = agent_with(memory, ["Nice!", "Great!"], checkpointer=InMemorySaver())
    with monkeypatch.context() as patched:
        patched.setattr(memory, "add", lambda *a, **k: (_ for _ in ()).throw(EngineError("worker died")))
        assert say(agent, "I live in Porto", THREAD) == "Nice!"
    say(agent, "I like tea", THREAD)
    assert told(memory) == ["User live in Porto", "User like tea"]


def test_replayed_messages_add_nothing(memory: MemLoRAMemory) -> None:
    saver = InMemorySaver()
    agent, _ = agent_with(memory, ["Nice!", "Great!", "Sure!"], checkpointer=saver)
    say(agent, "I live in Porto", THREAD)
    say(agent, "I like tea", THREAD)
    marked = agent.get_state(THREAD).values["messages"][-1]
    agent.update_state(THREAD, {"messages": [RemoveMessage(marked.id)]})  # the mark is gone: all is handed over
    say(agent, "I play the cello", THREAD)
    assert told(memory) == ["User live in Porto", "User like tea", "User play the cello"]
    assert len(turns(memory)) == 6


def test_messages_with_write_off_stay_unstored(memory: MemLoRAMemory) -> None:
    saver = InMemorySaver()
    for text, write in (("I live in Porto", "inline"), ("I like gin", "off"), ("I like tea", "inline")):
        agent, _ = agent_with(memory, checkpointer=saver, write=write)
        say(agent, text, THREAD)
    assert told(memory) == ["User live in Porto", "User like tea"]


def test_tool_messages_are_stored_on_request(memory: MemLoRAMemory) -> None:
    answers = [call("weather", city="Porto"), "Take an umbrella."]
    quiet, _ = agent_with(memory, answers, agent_tools=[weather])
    say(quiet, "hm going to Porto")
    assert turns(memory) == ["Take an umbrella.", "hm going to Porto"]
    noisy, _ = agent_with(memory, answers, agent_tools=[weather], tool_messages=True, user_id="ben")
    say(noisy, "hm going to Porto")
    assert turns(memory, "ben") == ["Let me see.", "Rain in Porto.", "Take an umbrella.", "hm going to Porto"]
    assert told(memory, "ben") == []  # a tool's words are no facts about the user


def test_recalled_text_is_not_stored(memory: MemLoRAMemory) -> None:
    memory.add("I live in Porto", user_id="ana")
    answers = [call("search_memory", query="Porto"), "You said so."]
    agent, model = agent_with(memory, answers, tools=True, tool_messages=True)
    say(agent, "hm where do I live")
    assert any("User live in Porto" in message.text for message in model.seen[-1] if message.type == "tool")
    assert told(memory) == ["User live in Porto"]
    assert turns(memory) == ["I live in Porto", "Let me see.", "You said so.", "hm where do I live"]


def test_summary_is_skipped_and_originals_stored(memory: MemLoRAMemory) -> None:
    summarizer = SummarizationMiddleware(
        AgentModel(answers=["I live in Atlantis"] * 9), trigger=("messages", 5), keep=("messages", 1)
    )
    answers = ["Nice!", call("weather", city="Porto"), call("weather", city="Oslo"), "Rain.", "Great!"]
    agent, _ = agent_with(memory, answers, agent_tools=[weather], before=[summarizer], checkpointer=InMemorySaver())
    say(agent, "I live in Porto", THREAD)
    say(agent, "I fly to Oslo", THREAD)  # in the middle of this run a summary takes the message's place
    said = [message.text for message in agent.get_state(THREAD).values["messages"] if message.type == "human"]
    assert "I fly to Oslo" not in said
    assert any("Atlantis" in text for text in said)
    say(agent, "I like tea", THREAD)
    assert sorted(told(memory)) == ["User fly to Oslo", "User like tea", "User live in Porto"]


def test_invalid_message_does_not_block_next(memory: MemLoRAMemory, caplog: pytest.LogCaptureFixture) -> None:
    agent, _ = agent_with(memory, checkpointer=InMemorySaver())
    say(agent, "I like \ud800", THREAD)
    assert "can't be remembered" in caplog.text
    say(agent, "I like tea", THREAD)
    say(agent, "I " + "read books " * 10_000, THREAD)
    assert told(memory)[0] == "User like tea"
    assert len(turns(memory)[-1]) <= 50_000


def test_background_write_completes_on_flush(memory: MemLoRAMemory) -> None:
    agent, _ = agent_with(memory, write="background")
    say(agent, "I live in Porto")
    memory.flush()
    assert told(memory) == ["User live in Porto"]


# -- when the memory fails


def test_slow_recall_times_out(memory: MemLoRAMemory, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    go_on = threading.Event()
    monkeypatch.setattr(memory, "search", lambda *a, **k: go_on.wait(20))
    agent, _ = agent_with(memory, ["Hello!"], recall_timeout=0.05, write="off")
    start = time.perf_counter()
    assert say(agent, "Where do I live?") == "Hello!"
    assert time.perf_counter() - start < 10
    assert "no result within 0.05 s" in caplog.text
    go_on.set()


async def test_slow_recall_times_out_async(memory: MemLoRAMemory, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    go_on = threading.Event()
    monkeypatch.setattr(memory, "search", lambda *a, **k: go_on.wait(20))
    agent, _ = agent_with(memory, ["Hello!"], recall_timeout=0.05, write="off")
    out = await agent.ainvoke({"messages": [("user", "Where do I live?")]})
    assert out["messages"][-1].text == "Hello!"
    assert "no result within 0.05 s" in caplog.text
    go_on.set()


def test_failure_warns_once_until_recovery(
    memory: MemLoRAMemory, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    agent, _ = agent_with(memory, write="off")

    def warnings() -> int:
        return sum(record.levelno >= logging.WARNING for record in caplog.records)

    for expected in (1, 2):
        with monkeypatch.context() as patched:
            patched.setattr(memory, "search", lambda *a, **k: 1 / 0)
            for _ in range(2):
                assert say(agent, "Hello") == "ok"
        assert warnings() == expected
        say(agent, "Hello")


def test_closed_memory_does_not_stop_agent(memory: MemLoRAMemory, caplog: pytest.LogCaptureFixture) -> None:
    agent, _ = agent_with(memory, ["Hello!"])
    memory.close()
    assert say(agent, "Where do I live?") == "Hello!"
    assert caplog.text.count("ClosedError") == 2  # recall and remember


def test_unreadable_message_is_kept_for_retry(make_memory: Any) -> None:
    broken = make_memory(extraction=["no such line"] * 4)
    agent, _ = agent_with(broken, ["Hello!"])
    assert say(agent, "I live in Porto") == "Hello!"
    assert told(broken) == []
    broken.close()
    mended = make_memory()
    mended.retry()
    assert told(mended) == ["User live in Porto"]


def test_message_names_become_speakers(memory: MemLoRAMemory) -> None:
    agent, _ = agent_with(memory, [AIMessage("Hi Tom!", name="coach")])
    agent.invoke({"messages": [HumanMessage("I like tea", name="Tom")]})
    speakers = {turn.speaker for hit in memory.search("tea Tom", user_id="ana", k=9) for turn in hit.turns}
    assert speakers == {"Tom", "coach"}
