"""Tests of finding the base model and checking its converted files."""

import json
from pathlib import Path

import pytest

from langchain_memlora.errors import ModelMismatchError, ModelNotFoundError
from langchain_memlora.models import base_model
from langchain_memlora.models.base_model import MANIFEST, BaseModel, check_manifest, converted_dir, resolve_base_model
from langchain_memlora.models.cache import sha256_of
from langchain_memlora.models.pins import DEFAULT_BASE


def _converted(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "config.json").write_bytes(b"{}")
    files = {p.name: {"bytes": p.stat().st_size, "sha256": sha256_of(p)} for p in folder.iterdir()}
    (folder / MANIFEST).write_text(json.dumps({"tensors_sha256": "abc", "files": files}))
    return folder


def test_local_folder_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve_base_model(str(tmp_path)) == BaseModel(str(tmp_path), str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine").mkdir()
    assert resolve_base_model("~/mine").source == str(tmp_path / "mine")


def test_hub_id_is_kept() -> None:
    assert resolve_base_model("org/model") == BaseModel("org/model", "org/model")


@pytest.mark.parametrize("name", ["/no/such/folder", "./nothing", "~/nothing-here", "no-such-model", "a/b/c", ""])
def test_missing_model_raises(name: str) -> None:
    with pytest.raises(ModelNotFoundError, match=r"config\.json") as caught:
        resolve_base_model(name)
    assert repr(name) in str(caught.value)


def test_default_comes_from_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base_model, "ensure_pinned", lambda *_, **__: pytest.fail("fetched"))
    folder = _converted(converted_dir())
    assert folder.is_relative_to(cache)
    assert resolve_base_model() == BaseModel(DEFAULT_BASE, str(folder), "abc")


def test_default_is_converted_once(cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    converted: list[Path] = []

    def convert(gguf: Path, folder: Path) -> None:
        converted.append(gguf)
        folder.rmdir()
        _converted(folder)

    monkeypatch.setattr(base_model, "ensure_pinned", lambda *_, **__: tmp_path)
    monkeypatch.setattr(base_model, "_convert", convert)
    assert resolve_base_model().sha256 == "abc"
    assert resolve_base_model().source == str(converted_dir())
    assert len(converted) == 1
    assert [path.name for path in converted_dir().parent.iterdir()] == [converted_dir().name]


def test_manifest_detects_altered_files(tmp_path: Path) -> None:
    folder = _converted(tmp_path / "base")
    weights = folder / "model.safetensors"
    check_manifest(folder, deep=True)
    weights.write_bytes(b"WEIGHTS")  # of the same size: only a deep check sees it
    check_manifest(folder)
    with pytest.raises(ModelMismatchError, match=r"model\.safetensors was altered.*models pull") as caught:
        check_manifest(folder, deep=True)
    assert sha256_of(weights) in str(caught.value)
    weights.write_bytes(b"wei")
    with pytest.raises(ModelMismatchError, match=r"expected 7 bytes.*found 3 bytes"):
        check_manifest(folder)
    weights.unlink()
    with pytest.raises(ModelMismatchError, match=r"model\.safetensors"):
        check_manifest(folder)
    with pytest.raises(ModelMismatchError, match="found 0 bytes"):
        check_manifest(folder, deep=True)
