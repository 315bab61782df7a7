"""Tests that the snippets of docs/stores.md run and that a store is one argument."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import BagOfWords, judge, tell
from support.servers import empty_database

import langchain_memlora
from langchain_memlora import models
from langchain_memlora.bundles import Bundle
from langchain_memlora.memory.memory import MemLoRAMemory
from langchain_memlora.testing import ScriptedEngine

ROOT = Path(__file__).parents[2]
PYTHON = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
README = next(
    block for block in PYTHON.findall((ROOT / "README.md").read_text()) if "memory = MemLoRAMemory()" in block
)
SECTIONS = {
    part.split("\n", 1)[0]: PYTHON.findall(part) for part in (ROOT / "docs/stores.md").read_text().split("\n## ")[1:]
}


class Embedder(BagOfWords):
    """An embedder with vectors of the default length."""

    size = 384


@pytest.fixture
def code(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Runs code with rules in place of models; gives its names."""
    engine = ScriptedEngine(extraction=tell, memory_update=judge, generation=lambda prompt: prompt)
    scripted = functools.partial(MemLoRAMemory, engine=engine, experts=bundle)
    monkeypatch.setattr(langchain_memlora, "MemLoRAMemory", scripted)
    monkeypatch.setattr(models, "default_embeddings", Embedder)
    monkeypatch.setattr("langchain_memlora.memory.index_opening.default_embeddings", Embedder)
    monkeypatch.setenv("MEMLORA_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    opened: list[dict[str, Any]] = []

    def run(text: str, **names: Any) -> dict[str, Any]:
        opened.append(names)
        exec(compile(text, "docs", "exec"), names)
        return names

    yield run
    for names in opened:
        if "memory" in names:
            names["memory"].close()
        if hasattr(names.get("client"), "close"):
            names["client"].close()
    engine.close()


def remembers(memory: MemLoRAMemory) -> None:
    memory.add("I play the cello in an orchestra", user_id="ana", infer=False)
    memory.add("I play the cello badly", user_id="ben", infer=False)
    assert {hit.text for hit in memory.search("cello", user_id="ana")} == {"I play the cello in an orchestra"}


@pytest.mark.parametrize("section", ["Chroma, embedded", "InMemoryVectorStore", "Qdrant"])
def test_local_store_snippets_run(section: str, code: Any) -> None:
    if section == "Qdrant":
        pytest.importorskip("langchain_qdrant", reason="the extra `stores` is not installed")
    (lines,) = SECTIONS[section]
    remembers(code(lines)["memory"])


def test_chroma_server_snippet_runs(chroma_port: int, code: Any) -> None:
    (lines,) = SECTIONS["Chroma server"]
    assert "port=8000" in lines
    remembers(code(lines.replace("port=8000", f"port={chroma_port}"))["memory"])


def test_pgvector_snippets_run(postgres_url: str, code: Any) -> None:
    given = "postgresql+psycopg://memlora@127.0.0.1:5432/postgres"
    once, *ways = SECTIONS["pgvector"]
    code(once.replace(given, postgres_url))
    assert len(ways) == 2
    for number, lines in enumerate(ways):
        assert given in lines
        remembers(code(lines.replace(given, postgres_url).replace("my-memory", f"my-memory-{number}"))["memory"])


def test_postgres_ledger_snippet_runs(postgres_url: str, code: Any) -> None:
    given = "postgresql+psycopg://memlora@127.0.0.1:5432/postgres"
    table, (lines,) = SECTIONS["pgvector"][0], SECTIONS["The ledger on PostgreSQL"]
    place = empty_database(postgres_url, "docs")
    code(table.replace(given, place))
    names = code(lines.replace(given, place))
    remembers(names["memory"])
    assert not list(names["memory"].path.glob("ledger*"))


def test_deploy_snippet_runs(postgres_url: str, code: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = empty_database(postgres_url, "service")
    code(SECTIONS["pgvector"][0].replace("postgresql+psycopg://memlora@127.0.0.1:5432/postgres", place))
    monkeypatch.setenv("DATABASE_URL", place)
    (lines,) = PYTHON.findall((ROOT / "docs/how-to/deploy.md").read_text())
    experts = ', engine=os.environ.get("EXPERTS_URL", "auto")'
    assert experts in lines
    remembers(code(lines.replace('"/memory"', repr(str(tmp_path))).replace(experts, ""))["memory"])


def test_other_store_snippet_runs(code: Any, capsys: pytest.CaptureFixture[str]) -> None:
    (lines,) = SECTIONS["Another store"]
    code(lines)
    assert capsys.readouterr().out.startswith("InMemoryVectorStore: 12 of 12 checks passed")


def test_pgvector_index_is_one_argument(postgres_url: str, code: Any) -> None:
    from langchain_postgres import PGEngine, PGVectorStore

    engine = PGEngine.from_connection_string(postgres_url)
    engine.init_vectorstore_table("readme", Embedder.size)
    store = PGVectorStore.create_sync(engine, Embedder(), "readme")
    assert README.count("MemLoRAMemory()") == 1
    memory = code(README.replace("MemLoRAMemory()", "MemLoRAMemory(index=store)"), store=store)["memory"]
    found = store.similarity_search("moved to Berlin with Bruno", k=9, filter={"user_id": "ana"})
    assert {document.metadata["kind"] for document in found} == {"memory", "turn", "window"}
    assert memory.search("moved to Berlin", user_id="ana")
    assert not (memory.path / "chroma").exists()
