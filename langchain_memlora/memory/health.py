"""Health checks of an installation and a memory. A check never raises, and creates no file where nothing is stored yet."""

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

from langchain_memlora.bundles import DEFAULT_BUNDLE, TEXT_ROLES, load_bundle
from langchain_memlora.errors import MemLoRAError, StoreInUseError
from langchain_memlora.models.base_model import is_cached, model_dir
from langchain_memlora.models.pins import DEFAULT_BASE, DEFAULT_EMBEDDER, EARLIER_EMBEDDER, PINS

if TYPE_CHECKING:
    from langchain_memlora.indexes.sync import LiveIndex
    from langchain_memlora.ledger import Ledger
    from langchain_memlora.memory.memory import MemLoRAMemory

NEEDED = ("torch", "transformers", "peft", "chromadb", "langgraph")
UNNEEDED = ("torchvision", "torchaudio")
LITTLE_SPACE = 500_000_000
REBUILD = "Run `memlora doctor --rebuild`."
NOTHING = "nothing stored yet"


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check.

    Attributes:
        found: The state, or the problem.
        fix: The remedy; empty if there is no problem.
    """

    name: str
    state: Literal["ok", "warning", "problem"]
    found: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """The memory to check.

    Attributes:
        path: The folder of the memory; it need not exist.
        experts: The bundle's name or path.
        open: Opens the memory.
        in_path: The ledger is a file in `path`, and the experts are `experts`. Otherwise only `open` can reach them.
    """

    path: Path
    experts: str | Path
    open: Callable[[], MemLoRAMemory]
    in_path: bool = True

    @property
    def ledger_file(self) -> Path:
        """The file of a ledger in `path`."""
        return self.path / "ledger.sqlite3"

    @property
    def is_stored(self) -> bool:
        """True if a memory exists."""
        return not self.in_path or self.ledger_file.exists()


Checker = Callable[[Target], Iterator[Check]]


def check_health(
    path: str | Path,
    *,
    experts: str | Path = DEFAULT_BUNDLE,
    open_memory: Callable[[], MemLoRAMemory] | None = None,
) -> list[Check]:
    """Check packages, models, experts and stored data, as `memlora doctor` does.

    Args:
        path: The folder of the memory.
        experts: The bundle's name or path.
        open_memory: Opens the memory, if its ledger, index, embedder or engine is not the default in `path`.

    Example:
        ```python
        from langchain_memlora.memory.health import check_health

        problems = [check for check in check_health("/tmp/memlora-example") if check.state == "problem"]
        print(problems)
        ```
    """

    def default() -> MemLoRAMemory:
        from langchain_memlora.memory.memory import MemLoRAMemory

        return MemLoRAMemory(path=path, experts=experts)

    target = Target(Path(path).expanduser(), experts, open_memory or default, in_path=open_memory is None)
    return [row for check in CHECKS for row in check(target)]


def careful(check: Checker) -> Checker:
    """Make a check that reports errors as problems."""

    @wraps(check)
    def checked(target: Target) -> Iterator[Check]:
        name = check.__name__.replace("_", " ")
        try:
            yield from check(target)
        except MemLoRAError as error:  # these messages end with a remedy
            yield Check(name, "problem", str(error))
        except Exception as error:  # one broken part must not hide the state of the others
            fix = "Please report this, with the output of `memlora --debug doctor`."
            yield Check(name, "problem", f"{type(error).__name__}: {error}", fix)

    return checked


@careful
def python(_: Target) -> Iterator[Check]:
    """Check the interpreter and the packages; none is imported, because a broken one would raise."""
    yield Check("python", "ok", f"{sys.version.split()[0]} at {sys.executable}")
    for package in NEEDED:
        version = _version(package)
        missing = f"Run `{sys.executable} -m pip install {package}`."
        yield Check(package, "ok", version) if version else Check(package, "problem", "not installed", missing)
    for package in UNNEEDED:
        if version := _version(package):
            fix = f"If importing transformers fails, run `{sys.executable} -m pip uninstall {package}`."
            yield Check(package, "warning", f"{version}: not needed, and must fit torch", fix)


@careful
def base_model(target: Target) -> Iterator[Check]:
    """Check the weights that the bundle's experts adapt."""
    from langchain_memlora.models.base_model import check_manifest, resolve_base_model

    name = load_bundle(target.experts).card.base.name if _loads(target) else DEFAULT_BASE
    if name != DEFAULT_BASE:
        yield Check("base model", "ok", resolve_base_model(name).source)
    elif not is_cached(name):
        yield _uncached("base model", name)
    else:
        check_manifest(model_dir(name), deep=True)
        yield Check("base model", "ok", f"{name}, intact")


@careful
def embedder(_: Target) -> Iterator[Check]:
    """Check the default embedder."""
    from langchain_memlora.models.cache import verify

    if not is_cached(DEFAULT_EMBEDDER):
        yield _uncached("embedder", DEFAULT_EMBEDDER)
    else:
        for file, sha256 in PINS[DEFAULT_EMBEDDER].hashes.items():
            verify(model_dir(DEFAULT_EMBEDDER) / file, sha256)
        yield Check("embedder", "ok", f"{DEFAULT_EMBEDDER}, intact")


@careful
def experts(target: Target) -> Iterator[Check]:
    """Check the bundle and its adapters."""
    bundle = load_bundle(target.experts)
    missing = [role.value for role in TEXT_ROLES if role not in bundle.adapters]
    label = f"{bundle.card.name} {bundle.card.version} at {bundle.path}"
    if missing:
        fix = "Reinstall the package or train them: `memlora train ROLE --bundle DIR`."
        yield Check("experts", "problem", f"{label} has no {' and no '.join(missing)} expert", fix)
    else:
        yield Check("experts", "ok", label)


@careful
def disk(target: Target) -> Iterator[Check]:
    """Check that the folder of the memory is writable, and has free space."""
    home = target.path
    there = next(folder for folder in (home, *home.absolute().parents) if folder.exists())
    try:
        if there == home:
            tempfile.TemporaryFile(dir=home).close()
        elif not (there.is_dir() and os.access(there, os.W_OK)):
            raise PermissionError("not a writable folder")
    except OSError as error:
        yield Check("disk", "problem", f"{home}: {error}", "Fix its permissions or choose another folder with --path.")
        return
    free = shutil.disk_usage(there).free
    found = f"{home} is writable, {free / 1e9:.1f} GB free"
    yield Check("disk", "ok", found) if free > LITTLE_SPACE else Check("disk", "warning", found, "Free some space.")


@careful
def ledger(target: Target) -> Iterator[Check]:
    """Check the ledger for damage, for failed and pending jobs, and for what is to be read."""
    if not target.is_stored:
        yield Check("ledger", "ok", f"{NOTHING} in {target.path}")
        return
    with _ledger(target) as record:
        if wrong := record.check():
            yield Check("ledger", "problem", "; ".join(wrong[:3]), "Restore a backup of ledger.sqlite3.")
            return
        counts = record.counts()
        sizes = ", ".join(f"{counts[table]} {table}" for table in ("turns", "memories", "operations"))
        yield Check("ledger", "ok", f"intact: {sizes}")
        failed, pending = len(record.jobs("failed")), len(record.jobs("pending"))
        reading = record.reading.counts()
    if failed or pending:
        found = f"{failed} failed and {pending} pending: these messages are stored, but not yet remembered"
        yield Check("jobs", "warning", found, "Run `memlora doctor --retry`.")
    else:
        yield Check("jobs", "ok", "none failed or pending")
    if reading.language:
        found = f"{reading.language} turns are in a language that the bundle did not know: searchable, but not read for facts"
        yield Check(
            "unread", "warning", found, "With a bundle that knows it: `memlora --experts BUNDLE doctor --reread`."
        )
    else:
        yield Check("unread", "ok", "no turn is in a language that the bundle did not know")
    if reading.unproven or reading.again:
        found = f"{reading.unproven} memories are sentences of an older bundle that were never checked"
        found += f"; {reading.again} turns are still to be read again" if reading.again else ""
        yield Check("unproven", "warning", found, "Run `memlora doctor --reread`, or let it continue.")
    else:
        yield Check("unproven", "ok", "no memory is left that could be read again")


@careful
def index(target: Target) -> Iterator[Check]:
    """Check that the vector index opens, and matches the ledger."""
    if not target.is_stored:
        yield Check("index", "ok", NOTHING)
        return
    with _ledger(target) as record:
        if not any(target.path.glob("chroma*")) and not _holds_anything(record):
            yield Check("index", "ok", NOTHING)
            return
    if target.in_path and not _loads(target):
        yield Check("index", "warning", "not checked, because the experts can't be loaded")
        return
    with target.open() as memory:
        synced = memory.services.index()
        try:
            _ = synced.index
        except StoreInUseError:
            yield Check("index", "ok", "another process owns and updates it; this one searches the ledger's vectors")
            return
        waiting = synced.waiting
        if lost := _lost(synced, memory.ledger):
            yield Check("index", "problem", f"at least {lost} vectors are lost", REBUILD)
        elif waiting:
            found = f"{waiting} items are not in it yet"
            yield Check("index", "warning", found, f"The next call adds them. Or: {REBUILD}")
        elif memory.embeddings.name == EARLIER_EMBEDDER:
            found = f"made with {EARLIER_EMBEDDER}, the default of earlier versions; {DEFAULT_EMBEDDER} finds more"
            yield Check("index", "warning", found, f"{REBUILD} Until it is done, searches work as before.")
        else:
            yield Check("index", "ok", "up to date with the ledger")
        if not waiting:
            yield _second_stage(memory)


CHECKS: tuple[Checker, ...] = (python, base_model, embedder, experts, disk, ledger, index)


def _second_stage(memory: MemLoRAMemory) -> Check:
    if missing := memory.services.retriever.unprepared():
        found = f"{missing} texts have no token vectors, so searches that find them compute them each time"
        return Check("second stage", "warning", found, REBUILD)
    return Check("second stage", "ok", "all that it compares is computed ahead")


def _loads(target: Target) -> bool:
    """Return True if the bundle can be loaded; otherwise the check of the experts has the reason."""
    try:
        load_bundle(target.experts)
    except MemLoRAError:
        return False
    return True


@contextmanager
def _ledger(target: Target) -> Iterator[Ledger]:
    """Open the ledger alone, if possible, so that it is checked even if the rest of the memory can't be opened."""
    from langchain_memlora.ledger import Ledger

    if target.in_path:
        with closing(Ledger(target.ledger_file)) as record:
            yield record
    else:
        with target.open() as memory:
            yield memory.ledger


def _holds_anything(record: Ledger) -> bool:
    return any(record.counts()[table] for table in ("turns", "memories"))


def _lost(synced: LiveIndex, record: Ledger) -> int:
    """Count the items, among the oldest thousand, that the index should hold and does not; 0 if it can't query ids."""
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
    fix = f"It is fetched at first use ({PINS[name].megabytes} MB), or now by `memlora models pull {name}`."
    return Check(row, "warning", f"{name} is not on this machine yet", fix)


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
