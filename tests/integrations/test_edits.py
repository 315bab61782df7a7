"""Edits in an agent's thread: by the checkpoint, by the next input, by a regenerated answer, and in a fork."""

from __future__ import annotations

from typing import Any

import pytest
from agents import THREAD, agent_with, say
from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage
from langgraph.checkpoint.memory import InMemorySaver
from support import ANA, texts

from langchain_memlora import MemLoRAMemory


@pytest.fixture
def agent(memory: MemLoRAMemory) -> Any:
    agent, _ = agent_with(memory, ["Nice!", "Great!", "Sure!", "Fine!"], checkpointer=InMemorySaver())
    return agent


def facts(memory: MemLoRAMemory) -> list[str]:
    return sorted(texts(memory.get_all(user_id="ana")))


def stored(memory: MemLoRAMemory) -> list[str]:
    return [turn.text for turn in memory.ledger.all_turns(ANA)]


def first(agent: Any) -> HumanMessage:
    found: HumanMessage = agent.get_state(THREAD).values["messages"][0]
    return found


def test_edit_in_the_checkpoint_is_followed(memory: MemLoRAMemory, agent: Any) -> None:
    say(agent, "I live in Porto", THREAD)
    agent.update_state(THREAD, {"messages": [HumanMessage("I live in Berlin", id=first(agent).id)]})
    say(agent, "I like tea", THREAD)
    assert facts(memory) == ["User like tea", "User live in Berlin"]
    assert "I live in Porto" not in stored(memory)
    say(agent, "I play chess", THREAD)
    assert len(stored(memory)) == 6


def test_resubmitted_message_is_an_edit(memory: MemLoRAMemory, agent: Any) -> None:
    say(agent, "I live in Porto", THREAD)
    asked = first(agent)
    agent.invoke({"messages": [HumanMessage("I live in Berlin", id=asked.id)]}, THREAD)
    assert facts(memory) == ["User live in Berlin"]


def test_regenerated_answer_replaces_the_old_one(memory: MemLoRAMemory, agent: Any) -> None:
    say(agent, "I live in Porto", THREAD)
    answer = agent.get_state(THREAD).values["messages"][-1]
    agent.update_state(THREAD, {"messages": [AIMessage("Lovely!", id=answer.id)]})
    say(agent, "I like tea", THREAD)
    assert "Lovely!" in stored(memory)
    assert "Nice!" not in stored(memory)


def test_fork_keeps_what_both_branches_say(memory: MemLoRAMemory, agent: Any) -> None:
    say(agent, "I live in Porto", THREAD)
    fork = agent.get_state(THREAD).config
    say(agent, "I like tea", THREAD)
    agent.update_state(fork, {"messages": [HumanMessage("I live in Berlin", id=first(agent).id)]})
    say(agent, "I play chess", THREAD)
    assert facts(memory) == ["User like tea", "User live in Berlin", "User play chess"]


def test_removed_message_stays_remembered(memory: MemLoRAMemory, agent: Any) -> None:
    say(agent, "I live in Porto", THREAD)
    agent.update_state(THREAD, {"messages": [RemoveMessage(str(first(agent).id))]})
    say(agent, "I like tea", THREAD)
    assert facts(memory) == ["User like tea", "User live in Porto"]
