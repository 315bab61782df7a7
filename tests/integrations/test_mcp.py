"""Tests of the MCP server in this process and over stdio."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from support import MAY_8
from typer.testing import CliRunner

from langchain_memlora import MemLoRAMemory
from langchain_memlora.cli.app import app
from langchain_memlora.errors import MissingExtraError, MissingUserError
from langchain_memlora.integrations.mcp import build_server

SCRIPTED = Path(__file__).parent / "scripted_mcp.py"


async def call(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    assert json.loads(result.content[0].text) == result.structured_content
    return result.structured_content


async def fails(client: Client, tool: str, **arguments: Any) -> str:
    result = await client.call_tool(tool, arguments)
    assert result.is_error
    return result.content[0].text


# -- in this process -----------------------------------------------------------------------------------------------


async def test_client_lists_four_tools(memory: MemLoRAMemory) -> None:
    async with Client(build_server(memory, "ana")) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert set(tools) == {"search_memory", "add_memory", "list_memories", "forget_memory"}
    for tool in tools.values():
        assert tool.description
        assert tool.output_schema
        assert "user" not in tool.input_schema["properties"]
        assert all(field.get("description") for field in tool.input_schema["properties"].values())
    reads = {name for name, tool in tools.items() if tool.annotations.read_only_hint}
    assert reads == {"search_memory", "list_memories"}
    assert tools["forget_memory"].annotations.destructive_hint


async def test_tools_add_search_update_and_forget(memory: MemLoRAMemory) -> None:
    async with Client(build_server(memory, "ana")) as client:
        added = await call(client, "add_memory", message="I live in Porto", said_on="2024-05-08")
        assert added["errors"] == []
        [change] = added["changes"]
        assert (change["event"], change["before"], change["after"]) == ("ADD", None, "User live in Porto")

        [changed] = (await call(client, "add_memory", message="I live in Berlin"))["changes"]
        assert (changed["event"], changed["id"]) == ("UPDATE", change["id"])
        assert (changed["before"], changed["after"]) == ("User live in Porto", "User live in Berlin")

        found = (await call(client, "search_memory", query="live", k=3))["items"]
        assert found[0]["text"] == "User live in Berlin"
        assert {item["text"]: item["outdated"] for item in found if item["id"] is None}["I live in Porto"]
        assert any(item["said_by"] == "user" and item["said_on"] == "2024-05-08" for item in found)

        await call(client, "add_memory", message="I play the cello")
        listed = await call(client, "list_memories", limit=1)
        assert ([item["text"] for item in listed["items"]], listed["total"]) == (["User play the cello"], 2)

        gone = await call(client, "forget_memory", memory_id=change["id"])
        assert gone == {"id": change["id"], "messages": 2}
        assert (await call(client, "list_memories"))["total"] == 1
    assert [memory.text for memory in memory.get_all(user_id="ana")] == ["User play the cello"]


async def test_search_filters_by_metadata(memory: MemLoRAMemory) -> None:
    for week in (1, 2):
        memory.add(f"Tea of week {week}.", user_id="ana", infer=False, metadata={"week": week})
    async with Client(build_server(memory, "ana")) as client:
        found = await call(client, "search_memory", query="tea", filters={"week": {"$gt": 1}})
        assert [item["text"] for item in found["items"]] == ["Tea of week 2."]
        assert "$gte" in await fails(client, "search_memory", query="tea", filters={"week": {"$regex": "1"}})


async def test_server_is_bound_to_one_user(memory: MemLoRAMemory) -> None:
    memory.add("I live in Rome", user_id="ben", observed_at=MAY_8)
    [foreign] = memory.get_all(user_id="ben")
    async with Client(build_server(memory, "ana")) as client:
        assert (await call(client, "search_memory", query="live in Rome"))["items"] == []
        assert (await call(client, "list_memories"))["total"] == 0
        assert "no memory with this id" in await fails(client, "forget_memory", memory_id=foreign.id)
    assert memory.get_all(user_id="ben") == [foreign]


async def test_tool_errors_are_readable(memory: MemLoRAMemory) -> None:
    async with Client(build_server(memory, "ana")) as client:
        assert "query" in await fails(client, "search_memory", query=" ")
        assert "less than or equal to 50" in await fails(client, "search_memory", query="x", k=1000)
        assert "Call list_memories" in await fails(client, "forget_memory", memory_id="nothing")
        memory.close()
        assert "memory was closed" in await fails(client, "list_memories")


async def test_internal_error_text_is_hidden(memory: MemLoRAMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("a secret path")

    monkeypatch.setattr(memory.services.retriever, "search", broken)
    async with Client(build_server(memory, "ana")) as client:
        assert "secret" not in await fails(client, "search_memory", query="x")


async def test_unreadable_message_is_stored_and_reported(make_memory: Callable[..., MemLoRAMemory]) -> None:
    memory = make_memory(extraction=lambda prompt: "gibberish")
    async with Client(build_server(memory, "ana")) as client:
        added = await call(client, "add_memory", message="I live in Porto")
        assert added["changes"] == []
        assert added["errors"]
        assert (await call(client, "search_memory", query="Porto"))["items"][0]["text"] == "I live in Porto"


def test_server_requires_user(memory: MemLoRAMemory) -> None:
    with pytest.raises(MissingUserError, match="must be a non-empty string"):
        build_server(memory, " ")


def test_missing_extra_names_install_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delitem(sys.modules, "langchain_memlora.integrations.mcp")
    monkeypatch.setitem(sys.modules, "mcp.server.mcpserver", None)
    result = CliRunner().invoke(app, ["--path", str(tmp_path), "mcp", "--user", "ana"])
    assert result.exit_code == 1
    assert "pip install langchain-memlora[mcp]" in result.stderr
    assert result.stdout == ""
    assert issubclass(MissingExtraError, ImportError)


# -- as a process --------------------------------------------------------------------------------------------------


async def test_stdio_client_runs_command(tmp_path: Path) -> None:
    home = str(tmp_path / "home")
    command = StdioServerParameters(command=sys.executable, args=[str(SCRIPTED), home, "mcp", "--user", "ana"])
    async with Client(command) as client:
        assert client.server_info.name == "memlora"
        assert (await call(client, "add_memory", message="I live in Porto"))["changes"][0]["event"] == "ADD"
    async with Client(command) as client:  # a new process remembers
        assert (await call(client, "list_memories"))["items"][0]["text"] == "User live in Porto"


def test_stdout_holds_only_protocol(tmp_path: Path) -> None:
    messages = [
        {"id": 1, "method": "initialize", "params": {"protocolVersion": "2025-06-18", "capabilities": {}}},
        {"method": "notifications/initialized"},
        {
            "id": 2,
            "method": "tools/call",
            "params": {"name": "add_memory", "arguments": {"message": "I live in Porto"}},
        },
    ]
    messages[0]["params"]["clientInfo"] = {"name": "test", "version": "1"}  # type: ignore[index]
    with subprocess.Popen(
        [sys.executable, str(SCRIPTED), str(tmp_path / "home"), "mcp", "--user", "ana"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        for message in messages:
            process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        process.stdin.flush()
        answers = [json.loads(process.stdout.readline()) for _ in range(2)]
        process.stdin.close()
        rest, noise = process.stdout.read(), process.stderr.read()
        assert process.wait(60) == 0
    assert [answer["id"] for answer in answers] == [1, 2]
    assert answers[1]["result"]["structuredContent"]["changes"][0]["after"] == "User live in Porto"
    assert rest == ""
    assert "a careless print" in noise
    assert "a careless write" in noise


@pytest.mark.model
@pytest.mark.slow
async def test_stdio_command_with_real_experts(tmp_path: Path) -> None:
    memlora = str(Path(sys.executable).parent / "memlora")
    command = StdioServerParameters(command=memlora, args=["--path", str(tmp_path), "mcp", "--user", "ana"])
    async with Client(command, read_timeout_seconds=300) as client:
        added = await call(client, "add_memory", message="I moved from Porto to Berlin last week, with my dog Bruno.")
        assert any("Berlin" in (change["after"] or "") for change in added["changes"])
        found = await call(client, "search_memory", query="Where does she live?")
        assert "Berlin" in found["items"][0]["text"]
