"""Tests of bulk work on a real Ray cluster of two actors."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import support
from langchain_core.vectorstores import InMemoryVectorStore
from support import MAY_8, BagOfWords, judge, tell
from support.servers import UnavailableError, ray_cluster

from langchain_memlora import MemLoRAMemory
from langchain_memlora.errors import InvalidInputError
from langchain_memlora.memory.on_ray import ingest_on_ray
from langchain_memlora.testing import ScriptedEngine

pytestmark = pytest.mark.slow
Open = Callable[[], MemLoRAMemory]


@pytest.fixture(scope="module", autouse=True)
def _cluster() -> Iterator[None]:
    try:
        with ray_cluster(support, sys.modules[__name__]):
            yield
    except UnavailableError as error:
        pytest.skip(str(error))


def opening(home: Path, dies_at: str = "") -> Open:
    """Opens a memory on a ledger that processes share; one that hears of `dies_at` for the first time dies."""

    def hear(prompt: str) -> str:
        if dies_at and dies_at in prompt and not (home / "died").exists():
            (home / "died").touch()
            os._exit(1)
        return tell(prompt)

    def open_memory() -> MemLoRAMemory:
        engine = ScriptedEngine(extraction=hear, memory_update=judge)
        return MemLoRAMemory(path=home, engine=engine, index=InMemoryVectorStore(BagOfWords()), reranker=None)

    return open_memory


def conversation(user: str, number: int) -> dict[str, Any]:
    said = [
        {"role": "user", "content": f"I like tea number {number}"},
        {"role": "user", "content": f"I own cat {number}"},
    ]
    return {"user_id": user, "messages": said, "observed_at": MAY_8, "thread_id": str(number)}


GIVEN = [conversation(f"user {name}", number) for number in range(4) for name in "abcde"]


def known(open_memory: Open) -> dict[str, list[tuple[str, str | None]]]:
    """Return each user's history."""
    with open_memory() as memory:
        users = sorted({given["user_id"] for given in GIVEN})
        return {user: [(op.event, op.after) for op in memory.history(user_id=user)] for user in users}


@pytest.fixture
def serial(tmp_path: Path) -> dict[str, list[tuple[str, str | None]]]:
    with opening(tmp_path / "serial")() as memory:
        memory.add_many(GIVEN)
    return known(opening(tmp_path / "serial"))


def test_two_actors_match_one_process(tmp_path: Path, serial: Any) -> None:
    at = opening(tmp_path / "ray")
    done = ingest_on_ray(GIVEN, at, actors=2)
    assert (done.conversations, done.turns, done.failed, done.problems) == (20, 40, 0, {})
    assert known(at) == serial
    again = ingest_on_ray(GIVEN, at, actors=2)
    assert (again.turns, again.skipped, again.operations) == (0, 40, 0)
    assert known(at) == serial


def test_dead_actors_work_is_repeated(tmp_path: Path, serial: Any) -> None:
    at = opening(tmp_path / "ray", dies_at="tea number 2")
    done = ingest_on_ray(GIVEN, at, actors=2)
    assert (tmp_path / "ray" / "died").exists()
    assert done.conversations == 20
    assert known(at) == serial


def test_invalid_conversation_is_numbered(tmp_path: Path) -> None:
    bad = [GIVEN[0], {"user_id": "user a"}, GIVEN[1], "no conversation"]
    done = ingest_on_ray(bad, opening(tmp_path / "ray"), actors=2)
    assert (done.conversations, done.failed, sorted(done.problems)) == (4, 2, [1, 3])


def test_empty_input_and_zero_actors(tmp_path: Path) -> None:
    assert ingest_on_ray([], opening(tmp_path)).conversations == 0
    with pytest.raises(InvalidInputError, match="actors=0"):
        ingest_on_ray(GIVEN, opening(tmp_path), actors=0)


SERVICE = """
from pathlib import Path
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_memlora import MemLoRAMemory
from langchain_memlora.testing import ScriptedEngine

def open_memory():
    index = InMemoryVectorStore(DeterministicFakeEmbedding(size=8))
    return MemLoRAMemory(path=Path(HOME), engine=ScriptedEngine(extraction=lambda prompt: "none"), index=index, reranker=None)
"""


def test_ingest_command_on_ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.testing import CliRunner

    from langchain_memlora.cli.app import app

    (tmp_path / "ray_service.py").write_text(SERVICE.replace("HOME", repr(str(tmp_path / "home"))))
    lines = [json.dumps({**given, "observed_at": MAY_8.isoformat()}) for given in GIVEN[:3]]
    (tmp_path / "all.jsonl").write_text("\n".join(lines))
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["ingest", "all.jsonl", "--on-ray", "ray_service:open_memory", "--json"])
    assert done.exit_code == 0, done.output
    assert '"turns": 6' in done.output
