"""Tests of `memlora export`, `import`, `backup`, `reindex`, `check-store` and `doctor --repair`."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from langchain_memlora.cli.app import app
from langchain_memlora.cli.setting import Setting
from tests.cli.conftest import Opener

Run = Callable[..., Result]


@pytest.fixture
def told(memlora: Run) -> Run:
    """A memory that knows where Ana lives."""
    memlora("add", "I live in Porto.")
    memlora("add", "I live in Berlin.")
    return memlora


def test_export_and_import(told: Run, listed: Any, opener: Opener, tmp_path: Path) -> None:
    told("export", str(tmp_path / "all.jsonl"))
    arguments = ["--path", str(tmp_path / "new"), "import", str(tmp_path / "all.jsonl")]
    done = CliRunner().invoke(app, arguments, obj=Setting(opener=opener))
    assert done.exit_code == 0, done.output
    assert "2 turns, 1 memories, 2 operations imported; 0 existed already." in done.stdout
    asked = ["--path", str(tmp_path / "new"), "search", "live", "-u", "ana"]
    assert "live in Berlin" in CliRunner().invoke(app, asked, obj=Setting(opener=opener)).stdout
    assert listed("import", str(tmp_path / "all.jsonl"))["memories"] == 0


def test_truncated_export_is_refused(told: Run, tmp_path: Path) -> None:
    file = tmp_path / "all.jsonl"
    told("export", str(file), "--user", "ana")
    file.write_bytes(file.read_bytes()[:-200])
    assert "nothing was imported" in told("import", str(file), code=1).output


def test_backup_opens_as_memory(told: Run, opener: Opener, tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    told("backup", str(tmp_path / "copy" / "ledger.sqlite3"))
    listing = CliRunner().invoke(
        app, ["--path", str(tmp_path / "copy"), "list", "-u", "ana"], obj=Setting(opener=opener)
    )
    assert "Berlin" in listing.stdout
    assert "not overwritten" in told("backup", str(tmp_path / "copy" / "ledger.sqlite3"), code=1).output


def test_reindex_shows_progress(told: Run, opener: Opener, home: Path, listed: Any) -> None:
    opener.stores[home].store.clear()
    done = told("reindex")
    assert "Wrote " in done.stdout
    assert "reindex: " in done.stderr
    assert len(opener.stores[home].store) == 5  # a memory, and two turns with their windows
    assert listed("reindex")["written"] == 3


def test_doctor_repairs_search_and_vectors(told: Run, listed: Any, opener: Opener, home: Path) -> None:
    opener.stores[home].store.clear()
    with sqlite3.connect(home / "ledger.sqlite3") as raw:
        raw.execute("DELETE FROM lexical")
    raw.close()
    rows = {row["name"]: row["found"] for row in listed("doctor", "--repair", code=None)["checks"]}
    assert rows["words"] == "5 entries of full-text search were wrong"
    assert rows["rebuild"].endswith("items written")
    assert len(opener.stores[home].store) == 5


def test_open_option_uses_custom_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_service.py").write_text(
        """
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_memlora import MemLoRAMemory
from langchain_memlora.testing import ScriptedEngine

def open_memory():
    index = InMemoryVectorStore(DeterministicFakeEmbedding(size=8))
    engine = ScriptedEngine(extraction=["none"])
    return MemLoRAMemory(path="mine", ledger="mine/other.sqlite3", index=index, engine=engine, reranker=None)
"""
    )

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["--open", "my_service:open_memory", *arguments])

    assert run("add", "I live in Porto.", "-u", "ana").exit_code == 0
    assert (tmp_path / "mine" / "other.sqlite3").exists()
    assert "Porto" in run("search", "live", "-u", "ana").stdout
    rows = {row["name"]: row for row in json.loads(run("doctor", "--rebuild", "--json").stdout)["checks"]}
    assert rows["rebuild"]["found"] == "1 items written"
    assert rows["index"]["found"] == "1 items are not in it yet"  # a store in memory begins empty
    assert "be imported" in CliRunner().invoke(app, ["--open", "my_service:nothing", "list", "-u", "ana"]).output


def test_check_store_option(memlora: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_stores.py").write_text(
        "from langchain_core.embeddings import DeterministicFakeEmbedding\n"
        "from langchain_core.vectorstores import InMemoryVectorStore\n"
        "class Mute(InMemoryVectorStore):\n"
        "    def similarity_search(self, *given, **named):\n"
        "        return []\n"
        "good = lambda: InMemoryVectorStore(DeterministicFakeEmbedding(size=8))\n"
        "bad = lambda: Mute(DeterministicFakeEmbedding(size=8))\n"
    )
    assert "12 of 12 checks passed" in memlora("check-store", "my_stores:good", "--many", "50").stdout
    assert "failed many" in memlora("check-store", "my_stores:bad", "--many", "50", code=1).stdout
    for name in ("my_stores", "my_stores:none", "no_such:thing"):
        assert "be imported" in memlora("check-store", name, code=1).output
