"""Tests of engines by name."""

import sys
from pathlib import Path
from typing import Any

import pytest

from langchain_memlora import MemLoRAMemory, TransformersEngine
from langchain_memlora.bundles import load_bundle
from langchain_memlora.engines import Request, registry
from langchain_memlora.engines.registry import named_engine
from langchain_memlora.errors import InvalidInputError, MissingExtraError


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MEMLORA_CACHE", str(tmp_path / "cache"))


def picked(name: str, tiny: Any) -> str:
    with named_engine(name, tiny.bundle) as engine:
        assert engine.run([Request("extraction", "hi", 2)])[0].completion_tokens
        return type(engine._real).__name__


def test_name_selects_engine(tiny: Any) -> None:
    assert picked("transformers", tiny) == "TransformersEngine"


def test_auto_prefers_openvino_when_usable(tiny: Any, copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openvino", reason="the extra `openvino` is not installed")
    assert picked("openvino", tiny) == picked("auto", tiny) == "OpenVINOEngine"
    (copied / "extraction" / "adapter_config.json").write_text('{"peft_type": "IA3"}')
    assert isinstance(registry._fastest(load_bundle(copied)), TransformersEngine)
    monkeypatch.setattr(registry, "_has_cuda", lambda: True)
    assert picked("auto", tiny) == "TransformersEngine"


def test_missing_engine_names_its_extra(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_has_openvino", lambda: False)
    with pytest.raises(MissingExtraError, match=r"pip install langchain-memlora\[openvino\]"):
        named_engine("openvino", tiny.bundle)
    assert picked("auto", tiny) == "TransformersEngine"
    for module in [name for name in sys.modules if name.startswith("langchain_memlora.engines.openvino")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingExtraError, match=r"pip install langchain-memlora\[openvino\]"):
        __import__("langchain_memlora.engines.openvino")


def test_memory_accepts_known_engine_names(tiny: Any, tmp_path: Path) -> None:
    with MemLoRAMemory(path=tmp_path / "a", experts=tiny.bundle, engine="auto") as memory:
        assert memory.engine.run([Request(None, "hi", 2)])[0].completion_tokens
    with pytest.raises(InvalidInputError, match=r"engine is 'abacus'\. Pass auto, openvino, transformers"):
        MemLoRAMemory(path=tmp_path / "b", experts=tiny.bundle, engine="abacus")
