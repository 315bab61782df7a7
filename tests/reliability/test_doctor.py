"""Tests that the doctor finds injected faults."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.tokens import WordTokens

from benchmarks.reliability.disk_faults import overwrite
from benchmarks.reliability.double import open_memory
from benchmarks.reliability.small_store import crash, store
from langchain_memlora.cli.setting import Setting
from langchain_memlora.ledger import Ledger
from langchain_memlora.memory import health
from langchain_memlora.retrieval import LateInteraction


def opener(*, path: Path, **_: Any) -> Any:
    return open_memory(path)


def seen(home: Path) -> dict[str, str]:
    """Rows that are not well, by name."""
    setting = Setting(path=home, opener=opener)
    rows = [row for check in (health.disk, health.ledger, health.index) for row in check(setting.target)]
    return {row.name: row.state for row in rows if row.state != "ok"}


def index_deleted(home: Path) -> None:
    shutil.rmtree(home / "chroma")


def index_garbage(home: Path) -> None:
    (home / "chroma" / "chroma.sqlite3").write_bytes(b"garbage" * 1000)


def ledger_pages(home: Path) -> None:
    overwrite(home / "ledger.sqlite3", pages=range(3, 9))


def ledger_garbage(home: Path) -> None:
    (home / "ledger.sqlite3").write_bytes(b"garbage" * 1000)


def job_failed(home: Path) -> None:
    with contextlib.closing(sqlite3.connect(home / "ledger.sqlite3")) as raw, raw:
        raw.execute("UPDATE jobs SET status = 'failed'")


def folder_is_a_file(home: Path) -> None:
    shutil.rmtree(home)
    home.write_text("")


@pytest.mark.parametrize(
    ("fault", "row"),
    [
        (index_deleted, "index"),
        (index_garbage, "index"),
        (ledger_pages, "ledger"),
        (ledger_garbage, "ledger"),
        (job_failed, "jobs"),
        (folder_is_a_file, "disk"),
    ],
)
def test_doctor_finds_fault(tmp_path: Path, fault: Callable[[Path], None], row: str) -> None:
    store(tmp_path)
    assert seen(tmp_path / "store") == {}
    fault(tmp_path / "store")
    assert row in seen(tmp_path / "store")


def test_doctor_reports_missing_token_vectors(tmp_path: Path) -> None:
    def with_tokens(*, path: Path, **_: Any) -> Any:
        ledger = Ledger(path / "ledger.sqlite3")
        return open_memory(path, ledger=ledger, reranker=LateInteraction(ledger, WordTokens, "words"))

    def row() -> health.Check:
        (found,) = (row for row in health.index(target) if row.name == "second stage")
        return found

    target = Setting(path=tmp_path, opener=with_tokens).target
    with open_memory(tmp_path) as memory:  # has no second stage
        memory.add(["I live in Porto", "I own a cat"], user_id="ana", infer=False)
    assert row().state == "warning"
    assert row().found.startswith("2 texts have no token vectors")
    assert "--rebuild" in row().fix
    with with_tokens(path=tmp_path) as memory:
        memory.rebuild()
    assert row().state == "ok"


def test_doctor_accepts_truncated_wal(tmp_path: Path) -> None:
    crash(tmp_path)
    log = tmp_path / "store" / "ledger.sqlite3-wal"
    os.truncate(log, log.stat().st_size // 2)
    assert "ledger" not in seen(
        tmp_path / "store"
    )  # what was whole is there, and what is wanting in the index is caught up
