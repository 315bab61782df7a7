"""Adds and searches at growing sizes: embedded Chroma with SQLite, and pgvector with the ledger on the same PostgreSQL.

    python -m benchmarks.scale.run                                   # or: make measure WHAT=scale
    python -m benchmarks.scale.run --only pgvector --sizes 200000    # recorded sizes stay

Sizes are vectors: a memory, its message, and the message with the one before it are three. Vectors are random (the worst case
for a graph of neighbours) and no model runs, so what is timed is the memory itself, synced commits included. Writes
docs/recorded/scale.json and docs/images/scale.png; `docs/generate.py` writes the table of docs/stores.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from langchain_core.embeddings import DeterministicFakeEmbedding

from benchmarks.record import RECORDED, ROOT, read_figures, write_figures
from langchain_memlora import MemLoRAMemory
from langchain_memlora.testing import ScriptedEngine

RECORD = RECORDED / "scale.json"
PLOT = ROOT / "docs" / "images" / "scale.png"
DIMENSIONS = 384
MESSAGES = 100  # of one user; three vectors each
SYLLABLES = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]
Disk = Callable[[], int]


@contextmanager
def chroma(folder: Path) -> Iterator[tuple[MemLoRAMemory, Disk]]:
    """Open the default: embedded Chroma with SQLite."""
    with ScriptedEngine() as engine:
        memory = MemLoRAMemory(
            path=folder, engine=engine, embeddings=DeterministicFakeEmbedding(size=DIMENSIONS), reranker=None
        )
        with memory:
            yield memory, lambda: sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


@contextmanager
def pgvector(folder: Path) -> Iterator[tuple[MemLoRAMemory, Disk]]:
    """Open ledger and vectors in one PostgreSQL, as docs/stores.md recommends for many users."""
    sys.path.append(str(ROOT / "tests"))
    import psycopg
    from langchain_postgres import Column, PGEngine, PGVectorStore
    from support.servers import plain, postgres_server

    embeddings = DeterministicFakeEmbedding(size=DIMENSIONS)
    columns = ["user_id", "kind"]
    with postgres_server(durable=True) as url, psycopg.connect(plain(url), autocommit=True) as server:
        engine = PGEngine.from_connection_string(url)
        engine.init_vectorstore_table(
            "vectors", DIMENSIONS, metadata_columns=[Column(name, "TEXT", nullable=False) for name in columns]
        )
        server.execute("CREATE INDEX ON vectors (user_id, kind)")
        store = PGVectorStore.create_sync(engine, embeddings, "vectors", metadata_columns=columns)
        with (
            ScriptedEngine() as scripted,
            MemLoRAMemory(path=folder, engine=scripted, index=store, ledger=url, reranker=None) as memory,
        ):
            yield memory, lambda: server.execute("SELECT pg_database_size(current_database())").fetchone()[0]
        engine._run_as_sync(engine.close())  # it has no other way to close from here


STORES = {"chroma": chroma, "pgvector": pgvector}


def measure(memory: MemLoRAMemory, sizes: list[int], repeats: int, disk: Disk) -> Iterator[dict[str, Any]]:
    """Fill the memory up to each size, then add and search one by one."""
    words = random.Random(1)
    held = users = 0
    for size in sizes:
        start, before = time.perf_counter(), held
        while held < size:
            memory.add(
                [_said(words) for _ in range(MESSAGES)], user_id=f"user {users}", observed_at=_day(users), infer=False
            )
            users, held = users + 1, held + 3 * MESSAGES
        filled = time.perf_counter() - start
        someone = [f"user {words.randrange(users)}" for _ in range(repeats)]
        adding = _timed(lambda user: memory.add(_said(words), user_id=user, infer=False), someone)
        searching = _timed(lambda user: memory.search(_said(words)[:40], user_id=user), someone)
        held += 3 * repeats
        yield {
            "vectors": size,
            "users": users,
            "add": adding,
            "search": searching,
            "vectors_per_second": round((held - 3 * repeats - before) / filled, 1),
            "disk_mb": round(disk() / 2**20, 1),
            "memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
            "load": round(os.getloadavg()[0], 1),
        }


def _said(words: random.Random) -> str:
    return " ".join("".join(words.choices(SYLLABLES, k=2)) for _ in range(12))


def _day(number: int) -> datetime:
    return datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=number % 365)


def _timed(call: Callable[[str], Any], arguments: list[str]) -> dict[str, float]:
    """Return the p50 and p95 of calls in milliseconds."""
    took = []
    for argument in arguments:
        start = time.perf_counter()
        call(argument)
        took.append(1000 * (time.perf_counter() - start))
    return {"p50": round(statistics.median(took), 1), "p95": round(statistics.quantiles(took, n=20)[-1], 1)}


def draw(record: dict[str, Any]) -> None:
    """Draw milliseconds by size."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), sharex=True)
    for name, rows in record["stores"].items():
        for axis, verb in zip(axes, ("add", "search"), strict=True):
            sizes = [row["vectors"] for row in rows]
            (line,) = axis.plot(sizes, [row[verb]["p50"] for row in rows], marker="o", label=f"{name}, p50")
            p95 = [row[verb]["p95"] for row in rows]
            axis.plot(sizes, p95, marker="o", linestyle=":", color=line.get_color(), label=f"{name}, p95")
            axis.set(title=verb, xlabel="vectors", xscale="log", ylim=(0, None))
    axes[0].set_ylabel("milliseconds")
    axes[1].legend(frameon=False, fontsize=8, loc="lower left")
    figure.tight_layout()
    figure.savefig(PLOT, dpi=110)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=STORES, action="append")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000, 50_000])
    parser.add_argument("--repeats", type=int, default=100)
    given = parser.parse_args()
    record = {"stores": {}} | read_figures(RECORD)
    record["machine"] = f"{os.cpu_count()} CPU cores ({platform.machine()}, {platform.system()})"
    record["repeats"] = given.repeats
    for name in given.only or STORES:
        with tempfile.TemporaryDirectory() as folder, STORES[name](Path(folder)) as (memory, disk):
            for row in measure(memory, sorted(given.sizes), given.repeats, disk):
                print(name, row, flush=True)
                kept = [old for old in record["stores"].get(name, []) if old["vectors"] != row["vectors"]]
                record["stores"][name] = sorted([*kept, row], key=lambda one: one["vectors"])
                write_figures(RECORD, record)
    draw(record)


if __name__ == "__main__":
    main()
