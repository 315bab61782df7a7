"""Tests of `memlora chat` with piped input."""

from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import Result

from langchain_memlora.intake.messages import is_question

Run = Callable[..., Result]


def test_piped_chat_session(memlora: Run) -> None:
    lines = [
        "I live in Porto.",
        "Where do I live?",
        "What is my name",
        "",
        "Hello",
        "/memories",
        "/quit",
        "I drink tea.",
    ]
    said = memlora("chat", stdin="\n".join(lines)).stdout.splitlines()
    assert said[0].split()[:5] == ["ADD", "User", "live", "in", "Porto"]
    assert said[1] == "Porto"
    assert said[2].startswith("read ")
    assert said[3] == "(nothing to remember)"
    assert said[4] == "I don't know that yet."
    assert said[7] == "(nothing to remember)"
    assert said[-1].endswith("User live in Porto")
    assert not any(line.startswith(">") or "tea" in line for line in said)


def test_memories_survive_restart(memlora: Run, listed: Callable[..., Any]) -> None:
    memlora("chat", stdin="I live in Porto.\n")
    assert memlora("chat", stdin="Where do I live?\n").stdout.startswith("Porto\n")
    assert memlora("chat", "--user", "ben", stdin="Where do I live?\n").stdout.startswith("I don't know")
    assert [m["text"] for m in listed("list")] == ["User live in Porto"]


def test_default_user_is_me(memlora: Run, listed: Callable[..., Any]) -> None:
    memlora("chat", stdin="I drink tea.\n", user=None)
    assert len(listed("list", user="me")) == 1


def test_chat_commands(memlora: Run, listed: Callable[..., Any]) -> None:
    assert "/delete ID" in memlora("chat", stdin="/help\n").stdout
    assert "No memories yet." in memlora("chat", stdin="/memories\n").stdout
    assert "No changes yet." in memlora("chat", stdin="/history\n").stdout
    memlora("chat", stdin="I live in Porto.\n")
    (memory,) = listed("list")
    said = memlora("chat", stdin=f"/delete {memory['id'][:6]}\n/history\n").stdout
    assert said.count("DELETE") == 2
    assert listed("list") == []


@pytest.mark.parametrize(
    ("line", "words"), [("/delete", "too short"), ("/delete abcdef", "no memory"), ("/dance", "/help")]
)
def test_invalid_command_keeps_chat_open(memlora: Run, line: str, words: str) -> None:
    result = memlora("chat", stdin=f"{line}\nI drink tea.\n", code=1)
    assert words in result.stderr
    assert "User drink tea" in result.stdout


@pytest.mark.parametrize(
    ("line", "asks"),
    [
        ("Do I have a dog?", True),
        ("what's my name", True),
        ("What\u2019s my name", True),
        ("Where, again, do I live", True),
        ("I know who you are.", False),
        ("Whatever.", False),
        ("'", False),
    ],
)
def test_is_question(line: str, asks: bool) -> None:
    assert is_question(line) is asks
