"""Memories on scripted experts, each in a folder of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from langchain_core.vectorstores import InMemoryVectorStore
from support import BagOfWords
from support.field_faults import Make, Rule, bundle_for, deciding, reading

from langchain_memlora import MemLoRAMemory
from langchain_memlora.testing import ScriptedEngine


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Return a function that opens memories; `rows` script the extraction, `rule` the decisions about updates."""
    opened: list[MemLoRAMemory] = []

    def open_memory(
        rows: dict[str, list[str]] | None = None,
        rule: Rule | None = None,
        *,
        languages: Sequence[str] = ("en",),
        **options: Any,
    ) -> MemLoRAMemory:
        script = {"extraction": reading(rows), "memory_update": deciding(rule), "generation": lambda prompt: prompt}
        settings = {
            "path": tmp_path / f"home-{len(opened)}",
            "experts": bundle_for(*languages),
            "engine": ScriptedEngine(**script),
            "index": InMemoryVectorStore(BagOfWords()),
            "reranker": None,
            **options,
        }
        opened.append(MemLoRAMemory(**settings))
        return opened[-1]

    yield open_memory
    for memory in opened:
        memory.close()
        memory.engine.close()


@pytest.fixture
def memory(make: Make) -> MemLoRAMemory:
    """Return a memory whose experts follow the plain rules of `support.field_faults`."""
    return make()
