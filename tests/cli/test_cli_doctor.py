"""Tests of `memlora doctor` on healthy and damaged installations."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from typer.testing import Result

from langchain_memlora.bundles import TEXT_ROLES, load_bundle
from langchain_memlora.errors import EngineError
from langchain_memlora.memory import health
from langchain_memlora.models.base_model import MANIFEST, converted_dir
from langchain_memlora.models.cache import sha256_of
from tests.cli.conftest import Opener

Run = Callable[..., Result]
HEADER = json.dumps({"w": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}).encode()


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle whose three adapters look whole."""
    folder = tmp_path / "bundle"
    shutil.copytree(load_bundle().path, folder)
    for role in TEXT_ROLES:
        (folder / role).mkdir(exist_ok=True)
        (folder / role / "adapter_config.json").write_text("{}")
        weights = len(HEADER).to_bytes(8, "little") + HEADER + b"\0"
        (folder / role / "adapter_model.safetensors").write_bytes(weights)
    return folder


@pytest.fixture
def doctor(memlora: Run, bundle: Path) -> Callable[..., dict[str, Any]]:
    """Rows by name, for a machine with that bundle."""

    def run(*options: str, code: int = 0) -> dict[str, Any]:
        result = memlora("--experts", str(bundle), "doctor", "--json", *options, code=code)
        found = json.loads(result.stdout)
        assert found["ok"] is (code == 0)
        return {row["name"]: row for row in found["checks"]}

    return run


def test_doctor_leaves_empty_home_empty(memlora: Run, bundle: Path, home: Path) -> None:
    said = memlora("--experts", str(bundle), "doctor", "--rebuild", "--retry", "--reread").stdout
    assert said.count("nothing stored yet") == 5
    assert "memlora models pull smollm2-135m-instruct" in said
    assert not home.exists()


def test_doctor_passes_healthy_memory(doctor: Callable[..., dict[str, Any]], memlora: Run) -> None:
    memlora("add", "I live in Porto.")
    rows = doctor()
    assert {rows[name]["state"] for name in ("torch", "experts", "disk", "ledger", "jobs", "index")} == {"ok"}
    assert "1 turns, 1 memories, 1 operations" in rows["ledger"]["found"]
    assert rows["base model"]["state"] == rows["embedder"]["state"] == "warning"


def test_corrupt_adapter_is_reported(doctor: Callable[..., dict[str, Any]], memlora: Run, bundle: Path) -> None:
    memlora("add", "I live in Porto.")
    (bundle / "extraction" / "adapter_model.safetensors").write_bytes(b"cut off")
    rows = doctor(code=1)
    assert "missing or corrupt" in rows["experts"]["found"]
    assert rows["index"]["state"] == "warning"
    assert rows["ledger"]["state"] == "ok"


def test_missing_adapter_is_reported(doctor: Callable[..., dict[str, Any]], bundle: Path) -> None:
    shutil.rmtree(bundle / "generation")
    row = doctor(code=1)["experts"]
    assert "no generation expert" in row["found"]
    assert "memlora train" in row["fix"]


def test_pending_jobs_are_reported_and_retried(
    doctor: Callable[..., dict[str, Any]], memlora: Run, opener: Opener
) -> None:
    working = opener.scripts

    def broken(prompt: str) -> str:
        raise EngineError("out of memory")

    opener.scripts = {**working, "extraction": broken}
    assert "out of memory" in memlora("add", "I live in Porto.", code=1).stderr
    opener.scripts = working
    row = doctor()["jobs"]
    assert row["state"] == "warning"
    assert "1 pending" in row["found"]
    assert "doctor --retry" in row["fix"]
    rows = doctor("--retry")
    assert rows["retry"]["found"] == "1 operations"
    assert rows["jobs"]["state"] == "ok"
    assert "User live in Porto" in memlora("list").stdout


def test_unread_turns_are_reported_and_read(doctor: Callable[..., dict[str, Any]], memlora: Run, bundle: Path) -> None:
    memlora("--experts", str(bundle), "add", "I wohne seit dem letzten Sommer mit meiner Schwester in Leipzig.")
    row = doctor()["unread"]
    assert (row["state"], "1 turns" in row["found"], "doctor --reread" in row["fix"]) == ("warning", True, True)
    assert "1 turns in a language" in doctor("--reread")["reread"]["found"]
    card = json.loads((bundle / "card.json").read_text())
    (bundle / "card.json").write_text(json.dumps({**card, "languages": ["de"]}))
    rows = doctor("--reread")
    assert rows["reread"]["found"].startswith("1 turns read: 1 operations, 0 unproven memories withdrawn")
    assert rows["unread"]["state"] == "ok"
    assert "in Leipzig" in memlora("list").stdout


def test_unproven_memories_are_reported(
    doctor: Callable[..., dict[str, Any]], memlora: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:  # as before the guard
        patch.setattr("langchain_memlora.experts.experts.guard", lambda extraction, window: extraction)
        memlora("add", "I live in Porto.")
    row = doctor()["unproven"]
    assert (row["state"], row["found"][:10], "doctor --reread" in row["fix"]) == ("warning", "1 memories", True)
    row = doctor("--reread")["reread"]
    assert (row["state"], row["found"].startswith("1 turns read")) == ("ok", True)


def test_missing_vectors_are_rebuilt(doctor: Callable[..., dict[str, Any]], memlora: Run, opener: Opener) -> None:
    memlora("add", "I live in Porto.")
    opener.stores.clear()
    row = doctor()["index"]
    assert "not in it yet" in row["found"]
    assert "The next call adds them" in row["fix"]
    rows = doctor("--rebuild")
    assert rows["rebuild"]["found"] == "2 items written"
    assert rows["index"]["state"] == "ok"


def test_index_in_use_is_no_problem(
    doctor: Callable[..., dict[str, Any]], memlora: Run, opener: Opener, home: Path
) -> None:
    memlora("add", "I live in Porto.")
    opener.stores[home] = None  # the embedded Chroma, of which only the lock is needed here
    doctor("--rebuild")  # there, not in the store of the other tests
    with FileLock(home / "chroma" / "owner.lock"):
        row = doctor()["index"]
        assert row["state"] == "ok"
        assert "another process owns" in row["found"]
        assert "User live in Porto" in memlora("search", "Porto").stdout
        assert "2 items written" in doctor("--rebuild")["rebuild"]["found"]


def test_corrupt_ledger_is_reported(doctor: Callable[..., dict[str, Any]], memlora: Run, home: Path) -> None:
    memlora("add", "I live in Porto.")
    with sqlite3.connect(home / "ledger.sqlite3") as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    (home / "ledger.sqlite3").write_bytes(b"no database at all, " * 400)
    rows = doctor(code=1)
    assert rows["ledger"]["state"] == "problem"
    assert "not a database" in rows["ledger"]["found"]


def test_altered_base_model_is_reported(doctor: Callable[..., dict[str, Any]]) -> None:
    folder = converted_dir()
    folder.mkdir(parents=True)
    weights = folder / "model.safetensors"
    weights.write_bytes(b"weights")
    files = {weights.name: {"bytes": 7, "sha256": sha256_of(weights)}}
    (folder / MANIFEST).write_text(json.dumps({"tensors_sha256": "0", "files": files}))
    assert doctor()["base model"]["state"] == "ok"
    weights.write_bytes(b"weighTs")
    row = doctor(code=1)["base model"]
    assert row["state"] == "problem"
    assert "was altered" in row["found"]
    assert "memlora models pull" in row["found"]


def test_missing_packages_are_reported(doctor: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        if name == "peft":
            raise metadata.PackageNotFoundError(name)
        return "1.0"

    monkeypatch.setattr(health.metadata, "version", version)
    rows = doctor(code=1)
    assert rows["peft"]["state"] == "problem"
    assert "pip install peft" in rows["peft"]["fix"]
    assert rows["torchvision"]["state"] == rows["torchaudio"]["state"] == "warning"


def test_failing_check_becomes_row(doctor: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health.shutil, "disk_usage", lambda _: 1 / 0)
    assert "ZeroDivisionError" in doctor(code=1)["disk"]["found"]


def test_home_that_is_file_is_reported(doctor: Callable[..., dict[str, Any]], home: Path) -> None:
    home.write_text("a file")
    assert doctor(code=1)["disk"]["state"] == "problem"
