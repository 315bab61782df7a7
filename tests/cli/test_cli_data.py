"""Tests of the commands for the memory's verbs."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from typer.testing import Result

from tests.cli.conftest import Opener

Run = Callable[..., Result]
Listed = Callable[..., Any]


def test_add_prints_changes(memlora: Run) -> None:
    assert "ADD" in memlora("add", "I live in Porto.").stdout
    changed = memlora("add", "I live in Berlin.").stdout
    assert "UPDATE" in changed
    assert "User live in Porto → User live in Berlin" in changed
    assert "p 0." in changed
    assert "NONE" in memlora("add", "I live in Berlin.").stdout
    assert "DELETE" in memlora("add", "Forget that I live in Berlin.").stdout
    assert "(nothing to remember)" in memlora("add", "Hello!").stdout
    assert "No memories" in memlora("list").stdout


def test_add_accepts_date_and_thread(listed: Listed) -> None:
    result = listed("add", "I live in Porto.", "--at", "2024-05-06", "--thread", "t1")
    assert result["status"] == "ok"
    assert [operation["event"] for operation in result["operations"]] == ["ADD"]
    (memory,) = listed("list")
    assert datetime.fromisoformat(memory["observed_at"]) == datetime(2024, 5, 6, tzinfo=UTC)
    assert (memory["form"], memory["said"]) == ("written", {"start": 0, "end": 16, "asked": ""})


def test_unreadable_message_fails(memlora: Run, listed: Listed) -> None:
    failed = memlora("add", "Garble", code=1)
    assert "ExpertOutputError" in failed.stdout
    assert "doctor --retry" in failed.stdout
    assert listed("add", "Garble", code=1)["status"] == "failed"


def test_answer_and_search(memlora: Run, listed: Listed) -> None:
    memlora("add", "I live in Porto.", "--at", "2024-05-06")
    assert memlora("answer", "Where do I live?").stdout.splitlines() == [
        "Porto",
        "read 6 May 2024: User live in Porto",
    ]
    assert memlora("answer", "What is my name?").stdout.startswith("I don't know that yet.")
    assert listed("answer", "Where do I live?")["known"] is True
    assert "User live in Porto" in memlora("search", "Porto").stdout
    assert len(listed("search", "Porto", "-k", "1")) == 1
    found = [hit["memory"]["text"] for hit in listed("search", "Porto") if hit["memory"]]
    assert found == ["User live in Porto"]
    assert "Nothing found" in memlora("search", "Porto", user="ben").stdout


def test_list_and_history_shorten_ids(memlora: Run, listed: Listed) -> None:
    memlora("add", "I live in Porto.")
    memlora("add", "I live in Berlin.")
    memlora("add", "I drink tea.")
    porto, tea = listed("list")
    table = memlora("list").stdout
    assert porto["id"][:8] in table
    assert porto["id"] not in table
    assert "User drink tea" in table
    assert "User live in Porto → User live in Berlin" in memlora("history").stdout
    assert [o["memory_id"] for o in listed("history", tea["id"][:6])] == [tea["id"]]
    assert {o["memory_id"] for o in listed("history")} == {porto["id"], tea["id"]}


def test_delete_and_restore(memlora: Run, listed: Listed) -> None:
    memlora("add", "I live in Porto.")
    (memory,) = listed("list")
    assert "DELETE" in memlora("delete", memory["id"][:8]).stdout
    assert listed("list") == []
    assert "has no memory" in memlora("delete", memory["id"][:8], code=1).stderr
    assert listed("restore", memory["id"][:8])["by"] == "restore"
    assert [m["text"] for m in listed("list")] == ["User live in Porto"]


def test_delete_all_asks_first(memlora: Run, listed: Listed) -> None:
    memlora("add", "I live in Porto.")
    memlora("add", "I drink tea.")
    asked = memlora("delete", "--all", stdin="n\n", code=1)
    assert "Delete all 2 memories of ana?" in asked.stderr
    assert len(listed("list")) == 2
    assert "2 memories were deleted." in memlora("delete", "--all", stdin="y\n").stdout
    memlora("add", "I drink milk.")
    assert [o["event"] for o in listed("delete", "--all", "--yes")] == ["DELETE"]


def test_forget_asks_and_prints_receipt(memlora: Run, listed: Listed) -> None:
    memlora("add", "I live in Porto.")
    memlora("add", "I drink tea.", user="ben")
    assert "Erase all data of ana?" in memlora("forget", stdin="n\n", code=1).stderr
    assert len(listed("list")) == 1
    assert memlora("forget", "--yes").stdout.startswith(
        "1 messages, 1 memories and 1 operations of ana were erased at "
    )
    assert listed("history") == []
    assert "Nothing found" in memlora("search", "Porto").stdout
    assert len(listed("list", user="ben")) == 1
    receipt = listed("forget", "-y", user="ben")
    assert (receipt["user_id"], receipt["turns"], receipt["memories"]) == ("ben", 1, 1)


@pytest.mark.parametrize("arguments", [["delete"], ["delete", "abcd", "--all"]])
def test_delete_requires_id_or_all(memlora: Run, arguments: list[str]) -> None:
    assert "Pass either" in memlora(*arguments, code=1).stderr


@pytest.mark.parametrize(
    "command", ["list", "history", "add hello", "search x", "answer x", "restore abcd", "delete abcd", "forget"]
)
def test_commands_require_user(memlora: Run, command: str) -> None:
    assert "--user" in memlora(*command.split(), user=None, code=2).stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["list", "--user", "*"], "must be a non-empty string"),
        (["restore", "abc"], "too short"),
        (["history", "abcdef"], "has no memory"),
        (["add", "Hello", "--at", "yesterday"], "not an ISO date"),
        (["search", "x", "-k", "0"], "k=0"),
        (["--experts", "nowhere", "list"], "No bundle 'nowhere'"),
    ],
)
def test_errors_are_one_line(memlora: Run, arguments: list[str], words: str) -> None:
    result = memlora(*arguments, code=1)
    assert result.stdout == ""
    assert words in result.stderr
    assert result.stderr.startswith("error: ")
    assert len(result.stderr.splitlines()) == 1


def test_ambiguous_prefix_lists_matches(memlora: Run, listed: Listed, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = iter(range(10))
    monkeypatch.setattr("langchain_memlora.graph.extract.new_id", lambda: f"abcd{next(numbers):028d}")
    memlora("add", "I live in Porto.")
    memlora("add", "I drink tea.")
    found = memlora("delete", "abcd", code=1).stderr
    assert "User live in Porto" in found
    assert "User drink tea" in found
    assert listed("delete", "abcd" + "0" * 27 + "1")["before"] == "User drink tea"


def test_debug_shows_traceback(memlora: Run, home: Any) -> None:
    from typer.testing import CliRunner

    from langchain_memlora.cli.app import app
    from langchain_memlora.cli.setting import Setting
    from langchain_memlora.errors import InvalidInputError

    given = ["--debug", "--path", str(home), "restore", "abc", "--user", "ana"]
    result = CliRunner().invoke(app, given, obj=Setting(opener=Opener()))
    assert isinstance(result.exception, InvalidInputError)


def test_output_escapes_markup_and_controls(memlora: Run) -> None:
    memlora("add", "I like [red]paint[/red] \x1b[2Jand \u202eodd signs.")
    shown = memlora("list").stdout
    assert "[red]paint[/red]" in shown
    assert "\x1b" not in shown
    assert "\u202e" not in shown
