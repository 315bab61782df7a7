"""Tests of the six points that users of agent memories expect of a middleware."""

from __future__ import annotations

import pytest

from langchain_memlora import MemLoRAMemory
from tests.integrations.agents import agent_with, say, told


def test_public_import() -> None:
    from langchain_memlora import MemLoRAMiddleware
    from langchain_memlora.integrations.middleware import MemLoRAMiddleware as same

    assert MemLoRAMiddleware is same


def test_memory_is_recalled_before_model_call(memory: MemLoRAMemory) -> None:
    memory.add("I live in Porto", user_id="ana")
    agent, model = agent_with(memory, ["In Porto."], system_prompt="Be brief.")
    assert say(agent, "Where do I live?") == "In Porto."
    assert "User live in Porto" in model.recalled
    assert model.system.startswith("Be brief.\n\n")


def test_run_is_stored_afterwards(memory: MemLoRAMemory) -> None:
    agent, _ = agent_with(memory, ["Lovely!"])
    say(agent, "I play the cello")
    assert told(memory) == ["User play the cello"]
    turns = memory.search("Lovely", user_id="ana", include="turns")
    assert {(turn.role, turn.text) for hit in turns for turn in hit.turns} == {
        ("user", "I play the cello"),
        ("assistant", "Lovely!"),
    }


def test_writing_can_be_disabled(memory: MemLoRAMemory) -> None:
    memory.add("I live in Porto", user_id="ana")
    agent, model = agent_with(memory, write="off")
    say(agent, "Where do I live? I play the cello")
    assert "Porto" in model.recalled
    assert told(memory) == ["User live in Porto"]


def test_failing_search_does_not_stop_run(
    memory: MemLoRAMemory, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(memory, "search", lambda *a, **k: 1 / 0)
    agent, model = agent_with(memory, ["Hello!"])
    assert say(agent, "Where do I live?") == "Hello!"
    assert model.system == ""
    assert "ZeroDivisionError" in caplog.text


async def test_async_run_recalls_memory(memory: MemLoRAMemory) -> None:
    await memory.aadd("I live in Porto", user_id="ana")
    agent, model = agent_with(memory, ["In Porto."])
    await agent.ainvoke({"messages": [("user", "Where do I live?")]})
    assert "User live in Porto" in model.recalled
    assert "Where do I live?" in [hit.text for hit in memory.search("Where", user_id="ana", include="turns")]
