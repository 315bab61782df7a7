"""Concurrency: threads, asyncio tasks and processes on one store, on few users, so that they contend.

Afterwards the same promises are checked as after a kill.
Run: `python -m benchmarks.reliability.concurrency --operations 5000`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.reliability.double import WordCounts, open_memory
from benchmarks.reliability.truth import Deed, broken
from langchain_memlora import MemLoRAMemory
from langchain_memlora.errors import NotFoundError
from langchain_memlora.types import Memory

VERBS = ("add", "background", "verbatim", "update", "delete", "restore", "search", "get_all", "history")
WEIGHTS = (10, 10, 10, 6, 4, 4, 30, 16, 10)
CHANGES = frozenset({"update", "delete", "restore"})
TURNOVER = 60  # operations of a worker until its users change, so that each user stays small


class Call(NamedTuple):
    """One call of a verb."""

    verb: str
    given: tuple[Any, ...]
    options: dict[str, Any]


class Worker:
    """Does random operations and records the acknowledged ones."""

    def __init__(self, name: str, seed: int, operations: int) -> None:
        self.name = name
        self.rng = random.Random(f"{seed} {name}")
        self.operations = operations
        self.deeds: list[Deed] = []
        self._begun: Deed | None = None
        self.done: Counter[str] = Counter()
        self.failed: list[str] = []

    def plan(self) -> Iterator[tuple[str, str, int]]:
        """Yield verb, user and number of each operation; all workers share the same users."""
        for number in range(self.operations):
            user = f"user-{number // TURNOVER}-{self.rng.randrange(3)}"
            yield self.rng.choices(VERBS, WEIGHTS)[0], user, number

    def work(self, memory: MemLoRAMemory) -> None:
        """Do all operations, one after the other, in this thread."""
        for verb, user, number in self.plan():
            with self._judged(verb):
                there = memory.get_all(user_id=user, deleted=verb == "restore") if verb in CHANGES else []
                if call := self._choose(verb, user, number, there):
                    getattr(memory, call.verb)(*call.given, **call.options)

    async def awork(self, memory: MemLoRAMemory) -> None:
        """Do all operations, one after the other, by the async verbs."""
        for verb, user, number in self.plan():
            with self._judged(verb):
                there = await memory.aget_all(user_id=user, deleted=verb == "restore") if verb in CHANGES else []
                if call := self._choose(verb, user, number, there):
                    await getattr(memory, f"a{call.verb}")(*call.given, **call.options)

    def _choose(self, verb: str, user: str, number: int, there: Sequence[Memory]) -> Call | None:
        """Choose a call; `None` if there is nothing to change. Changes are recorded as begun."""
        self._begun = None
        if verb in {"add", "background", "verbatim"}:
            key = f"{self.name}-{number}"
            self._begin(verb="add", user=user, messages=[key])
            message = {"role": "user", "content": f"{self.rng.choice(('I keep', 'I live in'))} thing-{key}", "id": key}
            return Call(
                "add", ([message],), {"user_id": user, "infer": verb != "verbatim", "background": verb == "background"}
            )
        if verb in CHANGES:
            if not there:
                return None
            chosen = self.rng.choice(there).id
            words = (f"User renamed it {self.name}-{number}",) if verb == "update" else ()
            self._begin(verb=verb, user=user, memory=chosen, text=words[0] if words else None)
            return Call(verb, (chosen, *words), {"user_id": user})
        return Call(verb, ("What does user keep?",) if verb == "search" else (), {"user_id": user})

    def _begin(self, **deed: Any) -> None:
        self._begun = {**deed, "acknowledged": False}
        self.deeds.append(self._begun)

    def _acknowledge(self) -> None:
        if self._begun:
            self._begun["acknowledged"] = True

    @contextmanager
    def _judged(self, verb: str) -> Iterator[None]:
        try:
            yield
            self._acknowledge()
        except NotFoundError:
            pass  # another worker was faster
        except Exception as error:
            self.failed.append(f"{verb}: {type(error).__name__}: {error}")
        self.done[verb] += 1


def in_one_process(operations: int, seed: int, folder: Path, *, threads: int = 6, tasks: int = 6) -> dict[str, Any]:
    """Run half of the work in threads, half in asyncio tasks, at the same time, on an embedded Chroma."""
    share = math.ceil(operations / (threads + tasks))
    workers = [Worker(f"w{i}", seed, share) for i in range(threads + tasks)]
    before = open_files()
    with open_memory(folder) as memory:
        crew = [threading.Thread(target=worker.work, args=(memory,), daemon=True) for worker in workers[:threads]]
        crew.append(threading.Thread(target=lambda: asyncio.run(_together(memory, workers[threads:])), daemon=True))
        for thread in crew:
            thread.start()
        stuck = _join(crew, 60 + operations)
        found = _found(memory, workers, stuck) if not stuck else {"operations": 0, "broken": ["deadlock"], "wrong": 1}
    return {**found, "threads": threads, "tasks": tasks, "files left open": max(0, open_files() - before)}


async def _together(memory: MemLoRAMemory, workers: list[Worker]) -> None:
    await asyncio.gather(*(worker.awork(memory) for worker in workers))


def in_processes(operations: int, seed: int, folder: Path, *, processes: int = 3, threads: int = 2) -> dict[str, Any]:
    """Run several processes, each with threads, on one ledger and one Chroma server."""
    share = math.ceil(operations / (processes * threads))
    folder.mkdir(exist_ok=True)
    with chroma_server(folder / "server") as port:
        me = [sys.executable, "-m", "benchmarks.reliability.concurrency", "--process", str(folder), "--port", str(port)]
        running = [
            subprocess.Popen([*me, "--operations", str(share), "--seed", f"{seed}{number}", "--threads", str(threads)])
            for number in range(processes)
        ]
        codes = [process.wait() for process in running]
        workers = []
        for file in sorted(folder.glob("deeds-*.json")):
            for kept in json.loads(file.read_text()):
                worker = Worker(kept["name"], 0, 0)
                worker.deeds, worker.done, worker.failed = kept["deeds"], Counter(kept["done"]), kept["failed"]
                workers.append(worker)
        with open_memory(folder / "store", index=_shared_index(port)) as memory:
            found = _found(memory, workers, stuck=False)
    found["broken"] += [f"a process ended with exit code {code}" for code in codes if code]
    return {**found, "processes": processes, "threads": threads}


def _one_of_several(folder: Path, port: int, operations: int, seed: int, threads: int) -> None:
    workers = [Worker(f"p{seed}t{i}", seed, operations) for i in range(threads)]
    with open_memory(folder / "store", index=_shared_index(port)) as memory:
        crew = [threading.Thread(target=worker.work, args=(memory,)) for worker in workers]
        for thread in crew:
            thread.start()
        for thread in crew:
            thread.join()
        memory.flush()
    kept = [{"name": w.name, "deeds": w.deeds, "done": w.done, "failed": w.failed} for w in workers]
    (folder / f"deeds-{seed}.json").write_text(json.dumps(kept))


def _found(memory: MemLoRAMemory, workers: list[Worker], stuck: bool) -> dict[str, Any]:
    deeds = [deed for worker in workers for deed in worker.deeds]
    users = sorted({deed["user"] for deed in deeds})
    wrong = broken(memory, deeds, users) + [what for worker in workers for what in worker.failed]
    done = sum((worker.done for worker in workers), Counter())
    return {
        "operations": done.total(),
        "by verb": dict(sorted(done.items())),
        "broken": wrong[:20],
        "wrong": len(wrong),
    }


def _join(crew: list[threading.Thread], seconds: float) -> bool:
    """Wait for threads; return whether one of them hangs."""
    end = time.monotonic() + seconds
    for thread in crew:
        thread.join(max(0.0, end - time.monotonic()))
    return any(thread.is_alive() for thread in crew)


def open_files() -> int:
    """Return the number of open files of this process; 0 if unknown."""
    return len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0


def _shared_index(port: int) -> Any:
    import chromadb
    from chromadb.config import Settings
    from langchain_chroma import Chroma

    client = chromadb.HttpClient(port=port, settings=Settings(anonymized_telemetry=False))
    return Chroma(
        collection_name="memlora",
        client=client,
        embedding_function=WordCounts(),
        collection_configuration={"hnsw": {"space": "cosine"}},
    )


@contextmanager
def chroma_server(folder: Path) -> Iterator[int]:
    """Run a Chroma server on a free port of this machine."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(Path(sys.executable).with_name("chroma")), "run", "--path", str(folder), "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield port
    finally:
        server.terminate()
        server.wait()


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--operations", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scratch", type=Path, default=None)
    parser.add_argument("--process", type=Path, default=None, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, default=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.process:
        _one_of_several(options.process, options.port, options.operations, options.seed, options.threads)
        return
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
        found = {
            "one process": in_one_process(options.operations // 2, options.seed, Path(scratch) / "one"),
            "processes": in_processes(options.operations // 2, options.seed, Path(scratch) / "several"),
        }
    print(json.dumps({**found, "seconds": round(time.perf_counter() - start)}, indent=1))


if __name__ == "__main__":
    main()
