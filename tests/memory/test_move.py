"""Tests of moving a memory from the embedder of an earlier version to the default one."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import BagOfWords, plain_bundle

from langchain_memlora import MemLoRAMemory
from langchain_memlora.errors import LedgerError, ModelNotFoundError, StoreInUseError
from langchain_memlora.indexes import Kind
from langchain_memlora.indexes.sync import embedder_of
from langchain_memlora.memory import index_opening
from langchain_memlora.memory.health import check_health
from langchain_memlora.models import DEFAULT_EMBEDDER, EARLIER_EMBEDDER
from langchain_memlora.testing import ScriptedEngine

PLACES = [f"I lived in Place{i}" for i in range(60)]


class Embedder(BagOfWords):
    """Stands for one of the package's embedders: counts words in bins of its own, and may fail or wait after some texts."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.fails_after: int | None = None
        self.during: Callable[[], None] | None = None

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        if self.fails_after is not None and len(self.embedded) + len(texts) > self.fails_after:
            raise LedgerError("stopped half way")
        if during := self.during:
            self.during = None
            during()
        return super().embed_documents(texts)

    def _vector(self, text: str) -> list[float]:
        vector = super()._vector(text)
        return vector[::-1] if self.name == DEFAULT_EMBEDDER else vector


@pytest.fixture
def embedders(monkeypatch: pytest.MonkeyPatch) -> dict[str, Embedder]:
    made = {name: Embedder(name) for name in (DEFAULT_EMBEDDER, EARLIER_EMBEDDER)}
    monkeypatch.setattr(index_opening, "default_embeddings", lambda name=DEFAULT_EMBEDDER: made[name])
    return made


def open_memory(home: Path) -> MemLoRAMemory:
    return MemLoRAMemory(path=home, experts=plain_bundle(), engine=ScriptedEngine())


@pytest.fixture
def home(tmp_path: Path, embedders: dict[str, Embedder], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a memory that an earlier version made."""
    with monkeypatch.context() as patch, open_memory(tmp_path / "home") as memory:
        patch.setattr(memory.embeddings._source, "name", EARLIER_EMBEDDER)
        patch.setattr(memory.embeddings._source, "_load", lambda: embedders[EARLIER_EMBEDDER])
        memory.add(PLACES, user_id="ana", infer=False)
        memory.add("I lived in Secretplace", user_id="eve", infer=False)
        assert embedder_of(memory.ledger, "default") == EARLIER_EMBEDDER
    return tmp_path / "home"


def finds(memory: MemLoRAMemory, place: str = "Place7") -> bool:
    """Return whether the index alone, without full-text search, finds a memory by its text."""
    (ids,) = memory.services.index().nearest_each(f"I lived in {place}", "ana", [Kind.MEMORY], 1)
    return [found.text for found in memory.ledger.any_memories(ids)] == [f"I lived in {place}"]


def folders(home: Path) -> list[str]:
    return sorted(path.name for path in home.glob("chroma*"))


def bytes_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_earlier_embedder_stays_in_use_and_is_reported(
    home: Path, embedders: dict[str, Embedder], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING), open_memory(home) as memory:
        assert finds(memory)
        memory.add("I lived in Atlantis", user_id="ana", infer=False)
        assert finds(memory, "Atlantis")
    assert sum("memlora doctor --rebuild" in record.getMessage() for record in caplog.records) == 1
    assert embedders[DEFAULT_EMBEDDER].embedded == []
    (row,) = [check for check in check_health(home, open_memory=lambda: open_memory(home)) if check.name == "index"]
    assert (row.state, EARLIER_EMBEDDER in row.found, "--rebuild" in row.fix) == ("warning", True, True)


def test_rebuild_moves_to_default(home: Path, embedders: dict[str, Embedder]) -> None:
    steps: list[tuple[int, int]] = []
    with open_memory(home) as memory:
        written = memory.rebuild(lambda done, total: steps.append((done, total)))
        assert written == 122
        assert steps[-1][0] == steps[-1][1]
        used = len(embedders[EARLIER_EMBEDDER].embedded)
        memory.add("I lived in Atlantis", user_id="ana", infer=False)
        assert finds(memory)
        assert finds(memory, "Atlantis")
        assert memory.rebuild() == 124
    assert folders(home) == ["chroma-2"]
    with open_memory(home) as memory:
        assert memory.embeddings.name == DEFAULT_EMBEDDER
        assert finds(memory)
        assert memory.ledger.cached_vectors(EARLIER_EMBEDDER, ["I lived in Place7"]) == {}
    assert len(embedders[EARLIER_EMBEDDER].embedded) == used


def test_old_index_is_searched_during_move(home: Path, embedders: dict[str, Embedder]) -> None:
    with open_memory(home) as memory:
        seen: list[Any] = []

        def meanwhile() -> None:
            thread = threading.Thread(target=lambda: seen.extend([finds(memory), memory.embeddings.name]))
            thread.start()
            thread.join()
            memory.add("I lived in Meanwhile", user_id="ana", infer=False)

        embedders[DEFAULT_EMBEDDER].during = meanwhile
        memory.rebuild()
        assert seen == [True, EARLIER_EMBEDDER]
        assert finds(memory, "Meanwhile")


def test_any_process_moves_the_index_for_all(home: Path, embedders: dict[str, Embedder]) -> None:
    """A memory that does not own the store computes the vectors, and the owner moves; a third one follows at its next call."""
    with open_memory(home) as owner, open_memory(home) as asking, open_memory(home) as third:
        assert [finds(memory) for memory in (owner, asking, third)] == [True] * 3
        steps: list[tuple[int, int]] = []
        assert asking.rebuild(lambda done, total: steps.append((done, total))) == 122
        assert steps[-1][0] == steps[-1][1]
        owner.add("I lived in Atlantis", user_id="ana", infer=False)
        asking.add("I lived in Utopia", user_id="ana", infer=False)
        for memory in (owner, asking, third):
            assert (finds(memory), finds(memory, "Atlantis"), finds(memory, "Utopia")) == (True, True, True)
            assert memory.embeddings.name == DEFAULT_EMBEDDER
        third.forget(user_id="eve")
        assert folders(home) == ["chroma-2"]
        assert b"Secretplace" not in bytes_of(home)


def test_owner_that_does_not_move_is_named(
    home: Path, embedders: dict[str, Embedder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("langchain_memlora.indexes.shared.ANSWER_SECONDS", 0.2)
    monkeypatch.setattr("langchain_memlora.indexes.shared.SharedIndex._do_what_is_asked", lambda self: None)
    with open_memory(home) as owner, open_memory(home) as asking:
        assert finds(owner)
        with pytest.raises(StoreInUseError, match="End that process if it hangs"):
            asking.rebuild()
        assert finds(owner)
        owner.close()
        asking.rebuild()
        assert finds(asking)


def test_interrupted_move_leaves_old_index_and_continues(home: Path, embedders: dict[str, Embedder]) -> None:
    new = embedders[DEFAULT_EMBEDDER]
    new.fails_after = 64
    with open_memory(home) as memory:
        with pytest.raises(LedgerError, match="half way"):
            memory.rebuild()
        assert finds(memory)
        assert folders(home) == ["chroma"]
        new.fails_after = None
        memory.rebuild()
        assert finds(memory)
    assert folders(home) == ["chroma-2"]
    assert len(new.embedded) == len(set(new.embedded)) > 64  # none twice


def test_forgotten_during_move_is_gone(home: Path, embedders: dict[str, Embedder]) -> None:
    """The other index has been written with the text when it is forgotten: its bytes must go too."""
    with open_memory(home) as memory:
        steps: list[int] = []

        def forget(done: int, total: int) -> None:
            steps.append(done)
            if done == total and len(steps) == 1:
                assert b"Secretplace" in bytes_of(home / "chroma-2")
                memory.forget(user_id="eve")

        memory.rebuild(forget)
        assert finds(memory)
    assert steps
    assert b"Secretplace" not in bytes_of(home)


def test_missing_earlier_embedder_names_the_command(
    home: Path, embedders: dict[str, Embedder], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(name: str = DEFAULT_EMBEDDER) -> Embedder:
        if name == EARLIER_EMBEDDER:
            raise ModelNotFoundError("It could not be downloaded.")
        return embedders[name]

    monkeypatch.setattr(index_opening, "default_embeddings", fetch)
    with open_memory(home) as memory:
        with pytest.raises(ModelNotFoundError, match=r"could not be downloaded.*`memlora doctor --rebuild`"):
            memory.search("something new", user_id="ana")
        memory.rebuild()
        assert finds(memory)


KILLED = """
import os, signal, sys
sys.path.insert(0, {tests!r})
from memory.test_move import Embedder, open_memory
from langchain_memlora.memory import index_opening
from langchain_memlora.models import DEFAULT_EMBEDDER
made = Embedder(DEFAULT_EMBEDDER)
index_opening.default_embeddings = lambda name=DEFAULT_EMBEDDER: made
def die(done, total):
    os.kill(os.getpid(), signal.SIGKILL)
open_memory({home!r}).rebuild(die)
"""


def test_killed_move_continues_with_computed_vectors(home: Path, embedders: dict[str, Embedder]) -> None:
    code = KILLED.format(tests=str(Path(__file__).parents[1]), home=str(home))
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=os.environ)
    assert ran.returncode == -signal.SIGKILL, ran.stderr
    assert folders(home) == ["chroma", "chroma-2"]
    with open_memory(home) as memory:
        assert finds(memory)
        assert folders(home) == ["chroma"]
        memory.rebuild()
        assert finds(memory)
    assert embedders[DEFAULT_EMBEDDER].embedded == []  # all were embedded before the kill


def test_killed_after_switch_is_tidied(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_memory(home) as memory, monkeypatch.context() as patch:
        patch.setattr("langchain_memlora.memory.index_place.IndexPlace.remove_others", lambda *_: None)
        memory.rebuild()
    assert folders(home) == ["chroma", "chroma-2"]
    with open_memory(home) as memory:
        assert finds(memory)
        assert embedder_of(memory.ledger, "default") is None
    assert folders(home) == ["chroma-2"]
