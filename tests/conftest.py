"""Fixtures for everything that needs no model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from langchain_core.vectorstores import InMemoryVectorStore
from support import BagOfWords, judge, plain_bundle, tell
from support.servers import UnavailableError, postgres_server

from langchain_memlora import MemLoRAMemory
from langchain_memlora.bundles import Bundle
from langchain_memlora.ledger import Ledger
from langchain_memlora.testing import ScriptedEngine

settings.register_profile("memlora", deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
settings.load_profile("memlora")

MakeMemory = Callable[..., MemLoRAMemory]


@pytest.fixture(scope="session")
def bundle() -> Bundle:
    return plain_bundle()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """Run one PostgreSQL for the whole run, or skip its tests with the reason."""
    for package in ("langchain_postgres", "psycopg"):
        pytest.importorskip(package, reason="the extra `stores` is not installed")
    try:
        with postgres_server() as url:
            yield url
    except UnavailableError as error:
        pytest.skip(f"no PostgreSQL with pgvector here: {error}")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.sqlite3") as opened:
        yield opened


@pytest.fixture
def backend() -> str:
    """Name the store, `memory` or `chroma`; tests on both parametrize it."""
    return "memory"


@pytest.fixture
def make_memory(tmp_path: Path, bundle: Bundle, backend: str) -> Iterator[MakeMemory]:
    """Return a function that opens memories on one folder; they share the in-memory store."""
    store = InMemoryVectorStore(BagOfWords())
    opened: list[MemLoRAMemory] = []

    def make(
        *, extraction: Any = tell, memory_update: Any = judge, generation: Any = lambda prompt: prompt, **options: Any
    ) -> MemLoRAMemory:
        script = {"extraction": extraction, "memory_update": memory_update, "generation": generation}
        where = {"index": store} if backend == "memory" else {"embeddings": BagOfWords()}
        options = {
            "path": tmp_path / "home",
            "experts": bundle,
            "engine": ScriptedEngine(**script),
            "reranker": None,
            **where,
            **options,
        }
        opened.append(MemLoRAMemory(**options))
        return opened[-1]

    yield make
    for memory in opened:
        memory.close()
        memory.engine.close()


@pytest.fixture
def memory(make_memory: MakeMemory) -> MemLoRAMemory:
    """Return a memory whose experts follow the plain rules of `support`."""
    return make_memory()
