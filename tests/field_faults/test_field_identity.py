"""Tests of messages with the id of an earlier one: edits, repetitions, and other conversations."""

from __future__ import annotations

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from support.field_faults import everything, human, model, only, texts

from langchain_memlora import MemLoRAMemory

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("old", "new", "gone", "kept"),
    [
        ("I live in Porto", "I live in Berlin", "Porto", "Berlin"),
        ("I own a parrot", "hm never mind", "parrot", None),
        ("hm what a day", "I own a parrot", "what a day", "parrot"),
        ("I own a parrot and a snake", "I own a parrot", "snake", "parrot"),
        ("I drive a red Volvo", "I drive a red Volvo, since May 2019", None, "May 2019"),
    ],
)
def test_edit_supersedes_text_and_facts(memory: MemLoRAMemory, old: str, new: str, gone: Any, kept: Any) -> None:
    memory.add([human("I like tea", "m0"), human(old, "m1")], user_id="ana", thread_id="t")
    memory.add([human("I like tea", "m0"), human(new, "m1")], user_id="ana", thread_id="t")
    known = "\n".join(texts(memory))
    assert "tea" in known
    if kept:
        assert kept in known
    if gone:
        assert gone not in known
        question = "Where do I live, what do I own, what a day?"
        for line in memory.answer(question, user_id="ana", k=20).context.splitlines():
            assert gone not in line or "no longer so" in line


def test_edit_and_back(memory: MemLoRAMemory) -> None:
    for city in ("Porto", "Berlin", "Porto"):
        memory.add([human(f"I live in {city}", "m1")], user_id="ana", thread_id="t")
    assert texts(memory) == ["User live in Porto"]


@pytest.mark.parametrize("background", [False, True])
def test_edit_before_reading(memory: MemLoRAMemory, background: bool) -> None:
    for city in ("Porto", "Berlin"):
        memory.add([human(f"I live in {city}", "m1")], user_id="ana", thread_id="t", background=background)
    memory.flush()
    assert texts(memory) == ["User live in Berlin"]


def test_conversations_with_equal_ids_and_no_thread(memory: MemLoRAMemory) -> None:
    for talk in (
        ("I own a parrot", "Nice bird."),
        ("I play the cello", "Lovely sound."),
        ("My boss is Greta", "I see."),
    ):
        memory.add([human(talk[0], "1"), AIMessage(talk[1], id="2")], user_id="ana")
    known = "\n".join(texts(memory))
    seen = everything(memory, "parrot bird", "cello lovely sound", "boss I see")
    for word in ("parrot", "cello", "Greta"):
        assert word in known
    assert all(word in seen for word in ("Nice bird.", "Lovely sound.", "I see."))


@pytest.mark.parametrize("scope", [{"thread_id": "a"}, {"run_id": "a"}, {"agent_id": "a"}])
def test_equal_ids_in_other_threads_runs_and_agents(memory: MemLoRAMemory, scope: dict[str, str]) -> None:
    memory.add([human("I own a parrot", "1")], user_id="ana", thread_id="b")
    memory.add([human("I play the cello", "1")], user_id="ana", **scope)
    own = {key: value for key, value in scope.items() if key != "thread_id"}
    known = "\n".join(item.text for item in memory.get_all(user_id="ana", **own))
    assert "parrot" in known
    assert "cello" in known


def test_replay_changes_nothing(memory: MemLoRAMemory) -> None:
    talk = [human("I own a parrot", "1"), AIMessage("Nice.", id="2")]
    memory.add(talk, user_id="ana", thread_id="t")
    memory.delete(only(memory, "parrot").id, user_id="ana")
    again = memory.add([*talk, human("I play the cello", "3")], user_id="ana", thread_id="t")
    assert len(again.turn_ids) == 1
    assert "parrot" not in everything(memory, "Which bird do I own?")
    assert any("cello" in text for text in texts(memory))


def test_regenerated_answer_replaces_the_earlier_one(memory: MemLoRAMemory) -> None:
    for answer in ("It leaves at 9:15.", "It leaves at 10:40."):
        talk = [human("hm when is the train", "1"), AIMessage(answer, id="2")]
        memory.add(talk, user_id="ana", thread_id="t")
    lines = memory.answer("When is the train? It leaves", user_id="ana", k=20).context.splitlines()
    assert any("10:40" in line for line in lines)
    assert all("no longer so" in line for line in lines if "9:15" in line)


def test_edit_in_a_fork_of_the_thread(memory: MemLoRAMemory) -> None:
    # The client forks the thread at the question, with the same id and another text.
    agent = create_agent(
        model("Nice.", "Great."), middleware=[memory.as_middleware(user_id="ana")], checkpointer=InMemorySaver()
    )
    thread = {"configurable": {"thread_id": "x"}}
    agent.invoke({"messages": [human("I live in Porto", "q1")]}, thread)
    before = [s for s in agent.get_state_history(thread) if not s.values.get("messages")]
    agent.invoke({"messages": [human("I live in Berlin", "q1")]}, before[0].config if before else thread)
    assert texts(memory) == ["User live in Berlin"]


def test_edit_without_checkpointer(memory: MemLoRAMemory) -> None:
    # The client sends the edited thread as a whole.
    agent = create_agent(model("Nice.", "Great."), middleware=[memory.as_middleware(user_id="ana")])
    thread = {"configurable": {"thread_id": "x"}}
    first = agent.invoke({"messages": [human("I live in Porto", "q1")]}, thread)["messages"]
    agent.invoke({"messages": [human("I live in Berlin", "q1")]}, thread)
    assert len(first) == 2
    assert texts(memory) == ["User live in Berlin"]
