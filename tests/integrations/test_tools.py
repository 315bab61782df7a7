"""Tests of the memory tools in an agent."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool
from support import MAY_8

from langchain_memlora import MemLoRAMemory, memory_tools
from langchain_memlora.errors import MissingUserError
from tests.integrations.agents import AgentModel, agent_with, block, call, say, told

NAMES = ["search_memory", "save_memory", "update_memory", "forget_memory"]


@dataclass
class Context:
    user_id: str | None = None


def run(tool: BaseTool, **arguments: Any) -> ToolMessage:
    """Call a tool as an agent does."""
    return tool.invoke({"name": tool.name, "args": arguments, "id": "1", "type": "tool_call"})


def test_four_tools_and_their_schemas(memory: MemLoRAMemory) -> None:
    tools = memory.as_tools(user_id="ana")
    assert [tool.name for tool in tools] == NAMES
    assert [list(tool.tool_call_schema.model_json_schema()["properties"]) for tool in tools] == [
        ["query"],
        ["fact"],
        ["memory_id", "text"],
        ["memory_id"],
    ]
    for tool in tools:
        assert tool.description.endswith(".")
        assert "ana" not in tool.description


def test_tools_search_save_update_and_forget(memory: MemLoRAMemory) -> None:
    search, save, update, forget = memory_tools(memory, user_id="ana")
    assert run(search, query="tea").content == "Nothing is remembered about this."
    key = re.search(r"id (\w+)", run(save, fact="User likes green tea.").text)[1]
    assert memory.get(key, user_id="ana").metadata == {"source": "save_memory"}
    assert f"[id {key}] User likes green tea." in block(run(search, query="tea").text)
    assert "green tea. Now: User likes black tea." in run(
        update, memory_id=key, text="User likes black tea."
    ).text.replace("Before: User likes ", "")
    assert run(forget, memory_id=key).text.startswith("Forgotten, with 1 message about it.")
    assert told(memory) == []
    assert run(search, query="tea").content == "Nothing is remembered about this."


def test_search_shows_evidence_and_dates(memory: MemLoRAMemory) -> None:
    memory.add("I moved to Porto yesterday", user_id="ana", observed_at=MAY_8)
    found = block(run(memory.as_tools(user_id="ana")[0], query="Porto").text)
    assert "said by user: I moved to Porto yesterday" in found
    assert "said on 8 May 2024" in found
    assert "7 May 2024" in found


def test_saving_duplicate_fact_saves_once(memory: MemLoRAMemory) -> None:
    save = memory.as_tools(user_id="ana")[1]
    run(save, fact="User likes tea.")
    assert "saved before" in run(save, fact="user likes tea").text
    assert told(memory) == ["User likes tea."]


def test_saved_fact_stays_out_of_extraction(memory: MemLoRAMemory) -> None:
    run(memory.as_tools(user_id="ana")[1], fact="User likes tea.")
    memory.add("I live in Porto", user_id="ana")
    prompts = [request.prompt for request in memory.engine.calls if request.role == "extraction"]
    assert prompts
    assert not any("tea" in prompt for prompt in prompts)


# -- whose memory


def test_model_cannot_choose_user(memory: MemLoRAMemory) -> None:
    forged = call("save_memory", fact="User likes tea.", user_id="ben", runtime={"context": {"user_id": "ben"}})
    agent, _ = agent_with(
        memory,
        [forged],
        agent_tools=memory.as_tools(user_id=lambda run: run.context.user_id),
        context_schema=Context,
        write="off",
    )
    say(agent, "hm", context=Context("ana"))
    assert told(memory, "ana") == ["User likes tea."]
    assert told(memory, "ben") == []
    for tool in memory.as_tools(user_id=lambda run: run.context.user_id):
        assert not {"user_id", "runtime"} & set(tool.tool_call_schema.model_json_schema()["properties"])


async def test_user_comes_from_run_context(memory: MemLoRAMemory) -> None:
    tools = memory.as_tools(user_id=lambda run: run.context.user_id)
    for user in ("ana", "ben"):
        model = AgentModel(answers=[call("save_memory", fact=f"User is called {user}.")])
        agent = create_agent(model, tools, context_schema=Context)
        await agent.ainvoke({"messages": [("user", "hm")]}, context=Context(user))
    assert (told(memory, "ana"), told(memory, "ben")) == (["User is called ana."], ["User is called ben."])


def test_missing_user_raises(memory: MemLoRAMemory) -> None:
    with pytest.raises(MissingUserError):
        memory.as_tools(user_id="")
    agent = create_agent(
        AgentModel(answers=[call("save_memory", fact="User likes tea.") for _ in range(2)]),
        memory.as_tools(user_id=lambda run: run.context.user_id),
        context_schema=Context,
    )
    for context in (None, Context()):
        with pytest.raises(MissingUserError):
            say(agent, "hm", context=context)


@pytest.mark.parametrize("name", ["update_memory", "forget_memory"])
def test_tools_reach_only_their_scope(memory: MemLoRAMemory, name: str) -> None:
    bens = memory.add("I like tea", user_id="ben", infer=False).operations[0].memory_id
    coachs = memory.add("I like tea", user_id="ana", agent_id="coach", infer=False).operations[0].memory_id
    general = memory.add("I like milk", user_id="ana", infer=False).operations[0].memory_id
    tool = next(tool for tool in memory.as_tools(user_id="ana", agent_id="chef") if tool.name == name)
    for key in (bens, coachs, "no such id"):
        result = run(tool, memory_id=key, **({"text": "x"} if name == "update_memory" else {}))
        assert (result.status, "No memory of this user has this id" in result.text) == ("error", True)
        assert "ben" not in result.text
    result = run(tool, memory_id=general, **({"text": "x"} if name == "update_memory" else {}))
    assert result.status == "success"


# -- when something goes wrong


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("search_memory", {"query": " "}),
        ("save_memory", {"fact": ""}),
        ("save_memory", {"fact": "x" * 60_000}),
        ("update_memory", {"memory_id": "1", "text": " "}),
        ("forget_memory", {"memory_id": "\n"}),
    ],
)
def test_invalid_arguments_return_tool_errors(memory: MemLoRAMemory, name: str, arguments: dict[str, str]) -> None:
    tool = next(tool for tool in memory.as_tools(user_id="ana") if tool.name == name)
    result = run(tool, **arguments)
    assert result.status == "error"
    assert len(result.text) < 400
    assert "Traceback" not in result.text


def test_failing_memory_does_not_stop_agent(memory: MemLoRAMemory, caplog: pytest.LogCaptureFixture) -> None:
    tools = memory.as_tools(user_id="ana")
    agent = create_agent(AgentModel(answers=[call("save_memory", fact="User likes tea."), "Sorry."]), tools)
    memory.close()
    out = agent.invoke({"messages": [("user", "Remember tea")]})
    assert out["messages"][-1].text == "Sorry."
    assert "not available" in out["messages"][-2].text
    assert "closed" not in out["messages"][-2].text
    assert "ClosedError" in caplog.text


def test_middleware_provides_tools(memory: MemLoRAMemory) -> None:
    middleware = memory.as_middleware(user_id="ana", tools=True)
    assert [tool.name for tool in middleware.tools] == NAMES
    agent = create_agent(AgentModel(answers=[call("save_memory", fact="User likes tea.")]), middleware=[middleware])
    say(agent, "hm remember that")
    assert told(memory) == ["User likes tea."]
