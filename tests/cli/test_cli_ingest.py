"""Tests of `memlora ingest`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from typer.testing import Result

Run = Callable[..., Result]


def write(path: Path, *conversations: Any) -> str:
    path.write_text("".join(json.dumps(each) + "\n" for each in conversations))
    return str(path)


def said(user: str, text: str) -> dict[str, Any]:
    return {"user_id": user, "observed_at": "2024-05-08T12:00", "messages": [{"role": "user", "content": text}]}


def test_ingest_several_files_and_users(memlora: Run, listed: Any, tmp_path: Path) -> None:
    one = write(tmp_path / "one.jsonl", said("ana", "I like tea"), said("ben", "I like milk"))
    two = write(tmp_path / "two.jsonl", said("ana", "I own a dog"))
    done = memlora("ingest", one, two)
    assert "3 conversations: 3 new messages, 3 operations" in done.stdout
    assert "ingest: 3 of 3" in done.stderr
    assert listed("ingest", one, two)["skipped"] == 3


def test_invalid_line_keeps_earlier_lines(memlora: Run, tmp_path: Path) -> None:
    file = write(tmp_path / "f.jsonl", said("ana", "I like tea"), {"user_id": "ben", "messages": "hi"})
    assert "Line 2" in memlora("ingest", file, code=1).output
    Path(file).write_text(Path(file).read_text().splitlines()[0] + "\n")
    assert "1 messages were known" in memlora("ingest", file).stdout


def test_unusable_conversations_are_listed(memlora: Run, tmp_path: Path) -> None:
    file = write(tmp_path / "f.jsonl", said("*", "hi"), said("ana", "I like tea"))
    done = memlora("ingest", file, code=1)
    assert "2 conversations: 1 new messages" in done.stdout
    assert "Conversation 1: user_id" in done.stderr
