"""Faults of disks, files and clocks: each is a clear error or heals by itself, and nothing acknowledged is lost.

Each function injects one fault into a store of its own and returns what went wrong; its docstring is the title in the docs.
Run: `python -m benchmarks.reliability.faults`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import resource
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, NoReturn
from unittest import mock

from benchmarks.reliability.disk_faults import CannotBeInjectedError, mount, overwrite, small_disk
from benchmarks.reliability.double import WordCounts, open_memory
from benchmarks.reliability.peers import Peer, owns_store
from benchmarks.reliability.small_store import (
    SAID,
    crash,
    history_errors,
    intact,
    say,
    say_until_refused,
    store,
)
from langchain_memlora.errors import LedgerError
from langchain_memlora.types import Scope


def disk_full(folder: Path) -> list[str]:
    """The disk is full (a tmpfs of 4 MB)."""
    with small_disk(folder, megabytes=4) as disk:
        store(disk)
        ballast = disk / "ballast"
        with open_memory(disk / "store") as memory:
            with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as out:
                while out.write(bytes(4096)):
                    pass
            deeds = say_until_refused(memory)
            ballast.unlink()
            wrong = [] if deeds[-1]["error"] else ["a full disk was not noticed"]
            memory.add([{"role": "user", "content": "I have room again", "id": "room"}], user_id="ana")
        return wrong + intact(disk, deeds, more=["User have room again"])


def file_limit(folder: Path) -> list[str]:
    """A file can't grow (RLIMIT_FSIZE)."""
    store(folder)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with open_memory(folder / "store") as memory:
        memory.search("bees", user_id="ana")
        largest = max(file.stat().st_size for file in (folder / "store").rglob("*") if file.is_file())
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest + 40_000, before[1]))
        try:
            deeds = say_until_refused(memory)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    wrong = [] if deeds[-1]["error"] else ["the limit was not noticed"]
    return wrong + intact(folder, deeds)


def read_only_folder(folder: Path) -> list[str]:
    """The folder is read-only."""
    with small_disk(folder, megabytes=8) as disk:
        store(disk)
        mount("-o", "remount,ro", str(disk))
        try:
            with open_memory(disk / "store") as memory:
                memory.add("I write", user_id="ana")
            wrong = ["writing to a read-only folder did not fail"]
        except LedgerError as error:
            wrong = [] if "writable" in str(error) else [f"the error does not help: {error}"]
        finally:
            mount("-o", "remount,rw", str(disk))
        return wrong + intact(disk)


def index_deleted(folder: Path) -> list[str]:
    """The index folder is deleted."""
    store(folder)
    shutil.rmtree(folder / "store" / "chroma")
    return intact(folder)


def index_is_garbage(folder: Path) -> list[str]:
    """The index's database is overwritten with garbage."""
    store(folder)
    (folder / "store" / "chroma" / "chroma.sqlite3").write_bytes(b"garbage" * 1000)
    return intact(folder)


def index_pages(folder: Path) -> list[str]:
    """Pages in the middle of the index's database are overwritten."""
    store(folder)
    overwrite(folder / "store" / "chroma" / "chroma.sqlite3", pages=range(1, 20))
    return intact(folder)


def index_vectors(folder: Path) -> list[str]:
    """The index's vector files are overwritten."""
    store(folder)
    with open_memory(folder / "store") as memory:  # past Chroma's first sync, so that the files are read at all
        memory.add([f"I own thing {i}" for i in range(400)], user_id="ben", infer=False)
    for file in (folder / "store" / "chroma").rglob("*"):
        if file.suffix in {".bin", ".pickle"}:
            file.write_bytes(random.Random(1).randbytes(100))
    return intact(folder)


def log_truncated(folder: Path) -> list[str]:
    """The write-ahead log is cut off in the middle after a crash."""
    crash(folder)
    log = folder / "store" / "ledger.sqlite3-wal"
    os.truncate(log, log.stat().st_size // 2)
    with open_memory(folder / "store") as memory:
        memory.add("I go on", user_id="ana")
        said = [turn.text for turn in memory.ledger.all_turns(Scope("ana"))]
        wrong = [] if said[:-1] == list(SAID)[: len(said) - 1] else [f"not a beginning of what was said: {said}"]
        return wrong + memory.ledger.check() + history_errors(memory)


def log_garbage(folder: Path) -> list[str]:
    """The write-ahead log ends in garbage after a crash."""
    crash(folder)
    with (folder / "store" / "ledger.sqlite3-wal").open("ab") as log:
        log.write(b"\xff" * 10_000)
    return intact(folder)


def ledger_pages(folder: Path) -> list[str]:
    """Pages of the ledger are overwritten: noticed, copied, and said clearly; never written to."""
    crash(folder)
    home = folder / "store"
    with contextlib.closing(sqlite3.connect(home / "ledger.sqlite3")) as raw:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    overwrite(home / "ledger.sqlite3", pages=range(3, 9))
    (home / "ledger.sqlite3-wal").write_bytes(b"\0" * 32)
    damaged = (home / "ledger.sqlite3").read_bytes()
    try:
        with open_memory(home) as memory:
            memory.history(user_id="ana")
        return ["a damaged ledger was opened without a word"]
    except LedgerError as error:
        copies = [copy for copy in home.glob("ledger.sqlite3.damaged-*") if not copy.name.endswith("-wal")]
        wrong = [] if copies and copies[0].name in str(error) else [f"no copy is named: {error}"]
        wrong += [] if "backup" in str(error) else [f"the error does not help: {error}"]
        wrong += [] if all(copy.read_bytes() == damaged for copy in copies) else ["not a copy"]
        return wrong


def clock_backwards(folder: Path) -> list[str]:
    """The clock runs backwards, an hour at each reading."""
    ticks = count()
    start = datetime(2026, 1, 1, tzinfo=UTC)

    def earlier() -> datetime:
        return start - timedelta(hours=next(ticks))

    with mock.patch("langchain_memlora.ledger.memories.now", earlier), open_memory(folder / "store") as memory:
        memory.clock.now = earlier  # type: ignore[method-assign]
        for number, text in enumerate((*SAID, "I live in Berlin")):
            memory.add([{"role": "user", "content": text, "id": str(number)}], user_id="ana")
        key = memory.get_all(user_id="ana")[1].id
        memory.update(key, "User live in Rome", user_id="ana")
        memory.delete(key, user_id="ana")
        memory.restore(key, user_id="ana")
        memory.restore(key, user_id="ana")
        texts = [m.text for m in memory.get_all(user_id="ana")]
        wrong = [] if "User live in Berlin" in texts else [f"restored to {texts}"]
        return wrong + history_errors(memory)


def embedder_fails(folder: Path) -> list[str]:
    """The embedder fails after the ledger has committed."""

    def fail(*_: Any) -> NoReturn:
        raise RuntimeError("no embedder today")

    with open_memory(folder / "store") as memory:
        say(memory, SAID[:2])
        with mock.patch.object(WordCounts, "embed_documents", fail), contextlib.suppress(RuntimeError):
            memory.add([{"role": "user", "content": SAID[2], "id": "2"}], user_id="ana", infer=False)
    return intact(folder, verbatim=True)


def second_process(folder: Path) -> list[str]:
    """Another process uses the same folder: it finds what was said before, and what it adds is found here."""
    store(folder)
    with open_memory(folder / "store") as memory, Peer(folder / "store") as other:
        memory.search("bees", user_id="ana")
        there = other.search("bees", user_id="ana")
        other.add([{"role": "user", "content": "I live in a room", "id": "room"}], user_id="ben")
        here = memory.search("room", user_id="ben")
        wrong = [] if there and here and not other.run(owns_store) else [f"found {there} there, {here} here"]
        other.forget(user_id="ben")
    return wrong + intact(folder)


FAULTS: tuple[Callable[[Path], list[str]], ...] = (
    disk_full,
    file_limit,
    read_only_folder,
    index_deleted,
    index_is_garbage,
    index_pages,
    index_vectors,
    log_truncated,
    log_garbage,
    ledger_pages,
    clock_backwards,
    embedder_fails,
    second_process,
)


def run(scratch: Path) -> dict[str, Any]:
    """Inject every fault once; list those that this machine does not allow."""
    outcomes = {}
    for fault in FAULTS:
        folder = scratch / fault.__name__
        folder.mkdir()
        try:
            outcomes[_title(fault)] = fault(folder)
        except CannotBeInjectedError as error:
            outcomes[_title(fault)] = [f"not injected: {error}"]
        except Exception as error:
            outcomes[_title(fault)] = [f"{type(error).__name__}: {error}"]
    wrong = {title: what for title, what in outcomes.items() if what and not what[0].startswith("not injected")}
    skipped = {title: what[0] for title, what in outcomes.items() if what and title not in wrong}
    injected = [title for title in outcomes if title not in skipped]
    return {"injected": injected, "survived": len(injected) - len(wrong), "not injected": skipped, "broken": wrong}


def _title(fault: Callable[[Path], list[str]]) -> str:
    return (fault.__doc__ or "").split(":")[0].splitlines()[0].rstrip(".")


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scratch", type=Path, default=None)
    options = parser.parse_args()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
        found = run(Path(scratch))
    print(json.dumps({**found, "seconds": round(time.perf_counter() - start)}, indent=1))


if __name__ == "__main__":
    main()
