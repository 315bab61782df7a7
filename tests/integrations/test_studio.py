"""Tests of the LangGraph Studio file and the graph it names."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from langchain_memlora import MemLoRAMemory
from langchain_memlora.errors import MissingUserError

ROOT = Path(__file__).parent.parent.parent
SETTINGS = json.loads((ROOT / "langgraph.json").read_text())


@pytest.fixture(scope="module")
def module() -> ModuleType:
    """The file of the graph, loaded by its path as Studio does."""
    path = ROOT / SETTINGS["graphs"]["memlora"].rpartition(":")[0]
    spec = importlib.util.spec_from_file_location("studio_graph", path)
    assert spec
    assert spec.loader
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def test_studio_factory_builds_graph(module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMLORA_HOME", str(tmp_path))
    factory = getattr(module, SETTINGS["graphs"]["memlora"].rpartition(":")[2])
    graph = factory()
    try:
        assert factory() is not graph
        assert module.open_memory() is module.open_memory()
        drawn = graph.get_graph(xray=True).draw_mermaid()
        assert all(node in drawn for node in ("read", "extract", "commit", "retrieve", "answer"))
        assert set(graph.get_input_jsonschema()["properties"]) == {"user_id", "messages", "question"}
        assert set(graph.get_output_jsonschema()["properties"]) == {"operations", "answer", "context"}
    finally:
        module.open_memory().close()
        module.open_memory.cache_clear()
    assert all((ROOT / folder).is_dir() for folder in SETTINGS["dependencies"])


def test_studio_graph_remembers_and_answers(module: ModuleType, memory: MemLoRAMemory) -> None:
    graph = module.build(memory)
    said = [{"role": "user", "content": "I live in Porto"}, {"role": "assistant", "content": "Nice!"}]
    out = graph.invoke({"user_id": "ana", "messages": said, "question": "Where do I live?"})
    assert [operation.after for operation in out["operations"]] == ["User live in Porto"]
    assert "live in Porto" in out["answer"]
    assert [memory.text for memory in memory.get_all(user_id="ana")] == ["User live in Porto"]
    assert not graph.invoke({"user_id": "ana"})
    with pytest.raises(MissingUserError):
        graph.invoke({"user_id": " ", "question": "Where?"})


def test_studio_thread_stores_messages_once(module: ModuleType, memory: MemLoRAMemory) -> None:
    graph = module.build(memory)
    graph.checkpointer = InMemorySaver()  # as the server that Studio talks to does
    thread = {"configurable": {"thread_id": "1"}}
    graph.invoke({"user_id": "ana", "messages": [("user", "I live in Porto")]}, thread)
    out = graph.invoke({"user_id": "ana", "question": "Where do I live?"}, thread)
    assert "live in Porto" in out["answer"]
    graph.invoke({"user_id": "ana", "messages": [("user", "I play the cello")]}, thread)
    assert [memory.text for memory in memory.get_all(user_id="ana")] == ["User live in Porto", "User play the cello"]
    assert len(memory.history(user_id="ana")) == 2
