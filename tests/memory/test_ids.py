"""Tests that ids which can't be used are refused alike at every door, with what was given and what is allowed."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from langchain_core.messages import HumanMessage
from typer.testing import CliRunner

from langchain_memlora import MemLoRAMemory
from langchain_memlora.cli.app import app
from langchain_memlora.cli.setting import Setting
from langchain_memlora.errors import InvalidInputError, MissingUserError
from tests.integrations.agents import agent_with, told

KEY = UUID("0190f0c5-4f43-7d3a-9a1e-2b6f3c5d7e8f")
NOT_TEXT: list[Any] = [7, 0, KEY, True, 7.5, b"ana", ["ana"]]
UNUSABLE: dict[Any, str] = {
    "a\x00b": "control character",
    "a\nb": "control character",
    "a\x7fb": "control character",
    "a\u0085b": "control character",
    "a\u2028b": "control character",
    "x" * 513: "513 characters",
}
BLANK = [" ", "\u00a0 \u3000"]


def doors(memory: MemLoRAMemory, **ids: Any) -> dict[str, Any]:
    """Everything that takes the ids of an owner."""
    return {
        "add": lambda: memory.add("x", **ids),
        "search": lambda: memory.search("x", **ids),
        "answer": lambda: memory.answer("x", **ids),
        "get_all": lambda: memory.get_all(**ids),
        "delete_all": lambda: memory.delete_all(**ids),
        "for_user": lambda: memory.for_user(**ids),
        "middleware": lambda: memory.as_middleware(**ids),
        "tools": lambda: memory.as_tools(**ids),
        "retriever": lambda: memory.as_retriever(**ids),
    }


def check(call: Any, kind: type[Exception], *words: str) -> None:
    with pytest.raises(kind) as caught:
        call()
    message = str(caught.value)
    assert "Pass" in message
    assert all(word in message for word in words), message


@pytest.mark.parametrize("given", NOT_TEXT, ids=repr)
def test_ids_are_strings(memory: MemLoRAMemory, given: Any) -> None:
    words = (type(given).__name__, "string of up to 512 characters")
    as_text = (f"'{given}'",) if type(given) in (int, UUID) else ()
    for call in doors(memory, user_id=given).values():
        check(call, MissingUserError, "user_id", *words, *as_text)
    for name in ("agent_id", "run_id"):
        for call in doors(memory, **{"user_id": "ana", name: given}).values():
            check(call, InvalidInputError, name, *words, *as_text)
    check(lambda: memory.add("x", user_id="ana", thread_id=given), InvalidInputError, "thread_id", *words)
    agent, model = agent_with(memory, user_id=lambda run: given)
    check(lambda: agent.invoke({"messages": [("user", "x")]}), MissingUserError, "user_id", *words)
    assert not model.seen


@pytest.mark.parametrize("given", [*UNUSABLE, *BLANK], ids=lambda given: repr(given)[:12])
def test_strings_that_are_no_ids(memory: MemLoRAMemory, given: str) -> None:
    why = UNUSABLE.get(given, "blank")
    for call in doors(memory, user_id=given).values():
        check(call, InvalidInputError if given in UNUSABLE else MissingUserError, "user_id")
    for name in ("agent_id", "run_id"):
        for call in doors(memory, **{"user_id": "ana", name: given}).values():
            check(call, InvalidInputError, name, why)
    check(lambda: memory.add("x", user_id="ana", thread_id=given), InvalidInputError, "thread_id", why)
    agent, model = agent_with(memory)
    config = {"configurable": {"thread_id": given}}
    check(lambda: agent.invoke({"messages": [("user", "x")]}, config), InvalidInputError, "thread_id", why)
    assert not model.seen


def test_empty_agent_and_run_are_refused(memory: MemLoRAMemory) -> None:
    for name in ("agent_id", "run_id"):
        check(lambda name=name: memory.add("x", **{"user_id": "ana", name: ""}), InvalidInputError, name, "None")


@pytest.mark.parametrize("given", [7, KEY])
def test_thread_of_langgraph_may_be_a_number(memory: MemLoRAMemory, given: Any) -> None:
    agent, _ = agent_with(memory)
    agent.invoke({"messages": [HumanMessage("I like tea")]}, {"configurable": {"thread_id": given}})
    assert told(memory) == ["User like tea"]
    [hit] = memory.search("tea", user_id="ana", include="turns", k=1)
    assert hit.turns[0].thread_id == str(given)


def test_mcp_and_command_refuse_them(make_memory: Any, memory: MemLoRAMemory, tmp_path: Path) -> None:
    pytest.importorskip("mcp", reason="the extra `mcp` is not installed")
    from langchain_memlora.integrations.mcp import build_server

    check(lambda: build_server(memory, 7), MissingUserError, "user_id", "'7'")  # type: ignore[arg-type]
    for given in ("a\nb", " "):
        check(lambda given=given: build_server(memory, given), InvalidInputError, "user_id")
        setting = Setting(opener=lambda **_: make_memory())
        ran = CliRunner().invoke(app, ["--path", str(tmp_path), "add", "x", "--user", given], obj=setting)
        assert ran.exit_code
        assert "user_id" in ran.output
