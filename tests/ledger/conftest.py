"""Ledgers in a file and on a server, for the same tests."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.servers import empty_database

from langchain_memlora.ledger import Ledger

NewPlace = Callable[[], "str | Path"]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def new_place(request: pytest.FixtureRequest, tmp_path: Path) -> NewPlace:
    """Return unused places for a ledger: paths, or the URLs of two empty databases in turn."""
    if request.param == "sqlite":
        numbers = itertools.count()
        return lambda: tmp_path / f"ledger-{next(numbers)}.sqlite3"
    server, names = request.getfixturevalue("postgres_url"), itertools.cycle(["one", "two"])
    return lambda: empty_database(server, next(names))


@pytest.fixture
def ledger(new_place: NewPlace) -> Iterator[Ledger]:
    with Ledger(new_place()) as opened:
        yield opened
