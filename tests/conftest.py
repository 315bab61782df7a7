"""Fixtures for everything that needs no model."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from langchain_core.vectorstores import InMemoryVectorStore
from sqlalchemy import Pool, event
from support import BagOfWords, judge, plain_bundle, tell
from support.servers import UnavailableError, postgres_server

from langchain_memlora import MemLoRAMemory
from langchain_memlora.bundles import Bundle
from langchain_memlora.ledger import Ledger
from langchain_memlora.testing import ScriptedEngine

# The same examples at every run, so that a green run stays green; `make fuzz` draws others, to find what these don't.
_PROFILE = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
settings.register_profile("repeatable", _PROFILE, derandomize=True)
settings.register_profile("random", _PROFILE, print_blob=True)
settings.load_profile(os.environ.get("MEMLORA_EXAMPLES", "repeatable"))

MakeMemory = Callable[..., MemLoRAMemory]


def _leave_unsynced(connection: Any, *_: Any) -> None:
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous=OFF")


@pytest.fixture(scope="session", autouse=True)
def _unsynced() -> Iterator[None]:
    """Let this process's ledgers not wait for the disk: only a power cut would show it, and it costs milliseconds a commit."""
    event.listen(Pool, "checkout", _leave_unsynced)
    yield
    event.remove(Pool, "checkout", _leave_unsynced)


@pytest.fixture
def synced() -> Iterator[None]:
    """Let ledgers wait for the disk, as they do for users."""
    event.remove(Pool, "checkout", _leave_unsynced)
    yield
    event.listen(Pool, "checkout", _leave_unsynced)


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
