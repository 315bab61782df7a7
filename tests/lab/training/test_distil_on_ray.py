"""Tests of a teacher on a real Ray cluster."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.servers import UnavailableError, ray_cluster
from typer.testing import CliRunner

from langchain_memlora.cli.app import app

pytestmark = [pytest.mark.slow, pytest.mark.model]
TEAS = ("green", "black", "white", "mint", "herbal")
FACT = '{"facts": [{"message": 1, "fact": "User likes <1> tea"}]}'
REPLIES = [
    {"when": r"The messages were written on.*I like (\w+) tea", "say": FACT},
    {"when": "Write the questions", "say": '{"questions": ["Which tea?"]}'},
    {"when": "Question: Which tea", "say": '{"answer": "tea"}'},
]


@pytest.fixture(scope="module", autouse=True)
def _cluster() -> Iterator[None]:
    try:
        with ray_cluster():
            yield
    except UnavailableError as error:
        pytest.skip(str(error))


def distil(folder: Path, out: str, *options: str, replies: int = len(REPLIES), code: int = 0) -> str:
    """Run the command on a chat for each tea; gives what it printed."""
    chats = []
    for tea in TEAS:
        chats.append(folder / f"{tea}.txt")
        chats[-1].write_text(f"2024-06-01\nuser: I like {tea} tea\nassistant: Good.\n")
    script = folder / "script.jsonl"
    script.write_text("".join(json.dumps(line) + "\n" for line in REPLIES[:replies]))
    command = ["distil", *map(str, chats), "--teacher", f"script:{script}", "--out", str(folder / out), *options]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == code, done.output
    return done.output


def rows(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((out / "rows").iterdir())}


def test_rows_match_one_process(tmp_path: Path) -> None:
    distil(tmp_path, "here")
    told = distil(tmp_path, "there", "--actors", "2")
    assert "extraction: 0 calls, 5 from an earlier run" in told
    assert rows(tmp_path / "there") == rows(tmp_path / "here")
    replies = (tmp_path / "there" / "replies.jsonl").read_bytes()
    distil(tmp_path, "there", "--actors", "2")
    assert (tmp_path / "there" / "replies.jsonl").read_bytes() == replies


def test_unanswered_calls_wait_for_next_run(tmp_path: Path) -> None:
    distil(tmp_path, "out", "--actors", "2", replies=2, code=1)
    assert "generation: 0 calls" in distil(tmp_path, "out", "--actors", "2")
