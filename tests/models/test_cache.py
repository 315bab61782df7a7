"""Tests that cached folders are complete or absent."""

import errno
import multiprocessing
import os
from pathlib import Path
from typing import Any

import pytest

from langchain_memlora.errors import ModelError, ModelMismatchError
from langchain_memlora.models import cache as module
from langchain_memlora.models.cache import cache_dir, filling, sha256_of, verify


def test_cache_dir_from_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MEMLORA_CACHE", str(tmp_path))
    assert cache_dir() == tmp_path
    monkeypatch.setenv("MEMLORA_CACHE", "~/models")
    assert cache_dir() == Path.home() / "models"
    monkeypatch.delenv("MEMLORA_CACHE")
    assert cache_dir().name == "langchain-memlora"


def test_verify_checks_hash(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_bytes(b"x")
    verify(file, sha256_of(file))
    with pytest.raises(ModelMismatchError, match="models pull"):
        verify(file, "0" * 64)
    assert file.exists()


def _fill(target: Path, barrier: Any) -> None:
    barrier.wait(60)
    with filling(target, "b") as draft:
        for name in "ab":
            (draft / name).write_text(str(os.getpid()))
        barrier.wait(60)


def test_four_processes_fill_one_folder(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(4)
    target = tmp_path / "deep" / "target"
    workers = [context.Process(target=_fill, args=(target, barrier)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(90)
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert (target / "a").read_text() == (target / "b").read_text()
    assert [path.name for path in target.parent.iterdir()] == ["target"]


def test_failed_fill_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with filling(tmp_path / "target", "a") as draft:
            (draft / "a").write_text("x")
            raise KeyError("x")

    with pytest.raises(KeyError):
        fail()
    assert not list(tmp_path.iterdir())


def test_full_disk_raises(tmp_path: Path) -> None:
    def fail() -> None:
        with filling(tmp_path / "target", "a"):
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(ModelError, match=r"No space left.*MEMLORA_CACHE"):
        fail()
    assert not list(tmp_path.iterdir())


def test_full_disk_on_rename_raises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def fail() -> None:
        with filling(tmp_path / "target", "a"):
            pass

    monkeypatch.setattr(module.Path, "rename", full)
    with pytest.raises(ModelError, match="No space left"):
        fail()


def test_file_in_place_of_cache_raises(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("x")

    def fail() -> None:
        with filling(tmp_path / "cache" / "target", "a"):
            pytest.fail("was entered")

    with pytest.raises(ModelError, match=r"can't be written.*MEMLORA_CACHE"):
        fail()


def test_complete_folder_is_kept_partial_replaced(tmp_path: Path) -> None:
    target = tmp_path / "target"
    for before, after in (({"a": "old"}, "old"), ({"b": "old"}, "new")):
        target.mkdir()
        for name, text in before.items():
            (target / name).write_text(text)
        with filling(target, "a") as draft:
            (draft / "a").write_text("new")
        assert [path.name for path in target.iterdir()] == ["a"]
        assert (target / "a").read_text() == after
        assert [path.name for path in tmp_path.iterdir()] == ["target"]
        (target / "a").unlink()
        target.rmdir()
