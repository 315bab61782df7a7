"""One engine with the shipped experts for all end-to-end tests, as loading it takes seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from langchain_memlora import MemLoRAMemory, Role, TransformersEngine, load_bundle

Open = Callable[..., MemLoRAMemory]


@pytest.fixture(scope="session")
def engine() -> Iterator[TransformersEngine]:
    with TransformersEngine(load_bundle()) as engine:
        yield engine


@pytest.fixture
def open_memory(engine: TransformersEngine, tmp_path: Path) -> Iterator[Open]:
    """Return a function that opens memories on the real engine, without the given experts."""
    opened: list[MemLoRAMemory] = []

    def make(*switched_off: Role, folder: str = "memory") -> MemLoRAMemory:
        bundle = load_bundle().without(*switched_off)
        opened.append(MemLoRAMemory(path=tmp_path / folder, experts=bundle, engine=engine))
        return opened[-1]

    yield make
    for memory in opened:
        memory.close()


def on(day: str) -> datetime:
    """Return noon of a day, in UTC."""
    return datetime.fromisoformat(day).replace(hour=12, tzinfo=UTC)
