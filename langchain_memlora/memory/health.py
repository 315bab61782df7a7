"""What `memlora doctor` looks at. A check never raises and never makes a file where nothing was stored yet."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import wraps
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from langchain_memlora.bundles import TEXT_ROLES, load_bundle
from langchain_memlora.cli.models import folder_of, is_cached
from langchain_memlora.cli.setting import Setting
from langchain_memlora.errors import MemLoRAError, StoreInUseError
from langchain_memlora.models.pins import DEFAULT_BASE, DEFAULT_EMBEDDER, PINS

if TYPE_CHECKING:
    from langchain_memlora.indexes.sync import Synced
    from langchain_memlora.ledger import Ledger

NEEDED = ("torch", "transformers", "peft", "chromadb", "langgraph")
UNNEEDED = ("torchvision", "torchaudio")
LITTLE_SPACE = 500_000_000
REBUILD = "Run `memlora doctor --rebuild`."
NOTHING = "nothing stored yet"


@dataclass(frozen=True, slots=True)
class Check:
    """One row of the doctor's table.

    Attributes:
        found: What is there, or what is wrong.
        mend: What to do about it; empty where all is well.
    """

    name: str
    state: Literal["ok", "warning", "problem"]
    found: str
    mend: str = ""


Checker = Callable[[Setting], Iterator[Check]]


def careful(check: Checker) -> Checker:
    """Make a check that reports what it stumbles over."""

    @wraps(check)
    def checked(setting: Setting) -> Iterator[Check]:
        try:
            yield from check(setting)
        except MemLoRAError as error:  # these messages end with what to do
            yield Check(check.__name__.replace("_", " "), "problem", str(error))
        except Exception as error:  # a doctor must outlive any illness
            mend = "Please report this, with the output of `memlora --debug doctor`."
            yield Check(check.__name__.replace("_", " "), "problem", f"{type(error).__name__}: {error}", mend)

    return checked


@careful
def python(_: Setting) -> Iterator[Check]:
    """The interpreter and the packages; nothing is imported, so a broken one can't stop us."""
    yield Check("python", "ok", f"{sys.version.split()[0]} at {sys.executable}")
    for package in NEEDED:
        version = _version(package)
        missing = f"Run `{sys.executable} -m pip install {package}`."
        yield Check(package, "ok", version) if version else Check(package, "problem", "not installed", missing)
    for package in UNNEEDED:
        if version := _version(package):
            mend = f"If importing transformers fails, run `{sys.executable} -m pip uninstall {package}`."
            yield Check(package, "warning", f"{version}: not needed, and must fit torch", mend)


@careful
def base_model(setting: Setting) -> Iterator[Check]:
    """The weights that the experts of the chosen bundle adapt."""
    from langchain_memlora.models.base_model import check_manifest, resolve_base_model

    name = load_bundle(setting.experts).card.base.name if _loads(setting) else DEFAULT_BASE
    if name != DEFAULT_BASE:
        yield Check("base model", "ok", resolve_base_model(name).source)
    elif not is_cached(name):
        yield _uncached("base model", name)
    else:
        check_manifest(folder_of(name), deep=True)
        yield Check("base model", "ok", f"{name}, intact")


@careful
def embedder(_: Setting) -> Iterator[Check]:
    """The default embedder."""
    from langchain_memlora.models.cache import verify

    if not is_cached(DEFAULT_EMBEDDER):
        yield _uncached("embedder", DEFAULT_EMBEDDER)
    else:
        pin = PINS[DEFAULT_EMBEDDER]
        verify(folder_of(pin.name) / pin.file, pin.sha256)
        yield Check("embedder", "ok", f"{pin.name}, intact")


@careful
def experts(setting: Setting) -> Iterator[Check]:
    """The bundle and its adapters."""
    bundle = load_bundle(setting.experts)
    missing = [role.value for role in TEXT_ROLES if role not in bundle.adapters]
    label = f"{bundle.card.name} {bundle.card.version} at {bundle.path}"
    if missing:
        mend = "Reinstall the package or train them: `memlora train ROLE --bundle DIR`."
        yield Check("experts", "problem", f"{label} has no {' and no '.join(missing)} expert", mend)
    else:
        yield Check("experts", "ok", label)


@careful
def disk(setting: Setting) -> Iterator[Check]:
    """Whether the folder of the memory can be written."""
    home = setting.home
    there = next(folder for folder in (home, *home.absolute().parents) if folder.exists())
    try:
        if there == home:
            tempfile.TemporaryFile(dir=home).close()
        elif not (there.is_dir() and os.access(there, os.W_OK)):
            raise PermissionError("not a folder that can be written")
    except OSError as error:
        yield Check("disk", "problem", f"{home}: {error}", "Mend its permissions or choose another folder with --path.")
        return
    free = shutil.disk_usage(there).free
    found = f"{home} can be written, {free / 1e9:.1f} GB free"
    yield Check("disk", "ok", found) if free > LITTLE_SPACE else Check("disk", "warning", found, "Free some space.")


@careful
def ledger(setting: Setting) -> Iterator[Check]:
    """The durable record: sound, and nothing left undone."""
    if not is_stored(setting):
        yield Check("ledger", "ok", f"{NOTHING} in {setting.home}")
        return
    with _ledger(setting) as record:
        if wrong := record.check():
            yield Check("ledger", "problem", "; ".join(wrong[:3]), "Restore a backup of ledger.sqlite3.")
            return
        counts = record.counts()
        words = ", ".join(f"{counts[table]} {table}" for table in ("turns", "memories", "operations"))
        yield Check("ledger", "ok", f"sound: {words}")
        failed, pending = len(record.jobs("failed")), len(record.jobs("pending"))
    if failed or pending:
        found = f"{failed} failed and {pending} pending: these messages are stored, but not yet remembered"
        yield Check("jobs", "warning", found, "Run `memlora doctor --retry`.")
    else:
        yield Check("jobs", "ok", "none failed or pending")


@careful
def index(setting: Setting) -> Iterator[Check]:
    """The vectors: can be opened, and hold what the ledger says they do."""
    if not is_stored(setting):
        yield Check("index", "ok", NOTHING)
        return
    with _ledger(setting) as record:
        if not (setting.home / "chroma").exists() and not _holds_anything(record):
            yield Check("index", "ok", NOTHING)
            return
    if not setting.opened_by and not _loads(setting):
        yield Check("index", "warning", "not looked at, since the experts can't be loaded")
        return
    with setting.open() as memory:
        try:
            synced = memory.services.index()
        except StoreInUseError as error:
            yield Check("index", "warning", "in use, so it was not looked at", str(error))
            return
        waiting = synced.waiting
        if lost := _lost(synced, memory.ledger):
            yield Check("index", "problem", f"at least {lost} vectors are lost", REBUILD)
        elif waiting:
            found = f"{waiting} items are not in it yet"
            yield Check("index", "warning", found, f"The next call does it. Or: {REBUILD}")
        else:
            yield Check("index", "ok", "up to date with the ledger")


CHECKS: tuple[Checker, ...] = (python, base_model, embedder, experts, disk, ledger, index)


def _loads(setting: Setting) -> bool:
    """Whether the bundle can be loaded; the row of the experts says why not."""
    try:
        load_bundle(setting.experts)
    except MemLoRAError:
        return False
    return True


def is_stored(setting: Setting) -> bool:
    """Whether there is a memory at all; who opens it by a function of their own says that there is."""
    return setting.opened_by is not None or _file(setting).exists()


def _file(setting: Setting) -> Path:
    return setting.home / "ledger.sqlite3"


@contextmanager
def _ledger(setting: Setting) -> Iterator[Ledger]:
    """The ledger alone, so that it can be looked at where the rest of a memory can't be opened."""
    from langchain_memlora.ledger import Ledger

    if setting.opened_by:
        with setting.open() as memory:
            yield memory.ledger
    else:
        with closing(Ledger(_file(setting))) as record:
            yield record


def _holds_anything(record: Ledger) -> bool:
    return any(record.counts()[table] for table in ("turns", "memories"))


def _lost(synced: Synced, record: Ledger) -> int:
    """How many of the oldest thousand items should be in the index and are not; 0 if it can't be asked for ids."""
    from langchain_memlora.indexes.base import Kind, entry_id
    from langchain_memlora.ledger import MEMORY, TURN
    from langchain_memlora.types import MemoryState

    changed, *_ = record.changed_since("an index that knows nothing")
    fresh = record.changed_since(synced.name)[0]
    ids = {kind: [item for k, item in changed if k == kind and (k, item) not in fresh] for kind in (MEMORY, TURN)}
    active = [m.id for m in record.any_memories(ids[MEMORY]) if m.state is MemoryState.ACTIVE]
    spoken = [turn.id for turn in record.turns(ids[TURN]).values() if turn.text.strip()]
    wanted = [entry_id(Kind.MEMORY, i) for i in active] + [entry_id(Kind.TURN, i) for i in spoken]
    try:
        return len(wanted) - synced.index.held(wanted)
    except NotImplementedError:
        return 0


def _uncached(row: str, name: str) -> Check:
    mend = f"It is fetched at first use ({PINS[name].megabytes} MB), or now by `memlora models pull {name}`."
    return Check(row, "warning", f"{name} is not on this machine yet", mend)


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
