"""Add the same message pairs to all contestants, ask the same questions, in turns; record the figures, write page and plot.

`python -m benchmarks.peers` takes 25 minutes on two idle cores; `--pairs 6 --questions 4` is a quick run. The exit status is 1
if a promise is missed on this machine. LoCoMo is read from `MEMLORA_DATA`.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.peers import mem0
from benchmarks.peers.contestants import FAST, LENGTHS
from benchmarks.peers.material import LOCOMO, Material, load
from benchmarks.peers.report import keep, machine, write_page
from benchmarks.peers.worker import work
from benchmarks.record import ROOT, write_figures
from langchain_memlora.bundles import load_bundle
from langchain_memlora.lab.evaluation.fingerprint import bundle_sha256

ENTRANTS = {
    "memlora": FAST,
    "memlora on transformers": "transformers",
    "paper's form": "plain",
    "mem0, forced": FAST,
    "mem0": FAST,
    "whole history": FAST,
}
"""All contestants, and the engine each runs on; `plain` is PEFT's own `generate`."""
Record = dict[str, Any]


@contextmanager
def started(name: str, engine: str, threads: int) -> Iterator[Any]:
    """Yield the pipe to one contestant's process; a message comes through it when everything is loaded."""
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe()
    process = context.Process(target=work, args=(name.partition(" on ")[0], engine, threads, theirs))
    process.start()
    theirs.close()  # so that a process that dies is an end of file here, not a wait without end
    try:
        yield mine
    finally:
        process.join(10)
        process.kill()


def compete(entrants: dict[str, str], material: Material, threads: int) -> Record:
    """Return every contestant's record: cost of each pair and question, facts stored in the end, peak memory."""
    with ExitStack() as stack:
        pipes = {name: stack.enter_context(started(name, engine, threads)) for name, engine in entrants.items()}
        for name, pipe in pipes.items():
            pipe.recv()
            print(f"{name}: ready", flush=True)
        records: Record = {name: {"engine": engine, "add": [], "ask": []} for name, engine in entrants.items()}
        orders = [("add", pair) for pair in material.pairs]
        orders += [("ask", question.text) for question in material.questions]
        for number, order in enumerate(orders, 1):
            for name, pipe in pipes.items():
                if order[0] == "ask" and name in LENGTHS:
                    continue
                pipe.send(order)
                records[name][order[0]].append(pipe.recv())
            print(f"{number} of {len(orders)}", flush=True)
        for name, pipe in pipes.items():
            pipe.send(("known",))
            records[name]["known"] = pipe.recv()["result"]
            pipe.send(None)
            records[name]["megabytes"] = pipe.recv()
    return records


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=60)
    parser.add_argument("--questions", type=int, default=20)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--only", choices=ENTRANTS, action="append")
    parser.add_argument("--data", type=Path, default=LOCOMO)
    parser.add_argument("--page", action="store_true", help="only write the page again from the last figures")
    options = parser.parse_args()
    if not options.page:
        material = load(options.data, options.pairs, options.questions)
        entrants = {name: engine for name, engine in ENTRANTS.items() if name in (options.only or ENTRANTS)}
        if any(name.startswith("mem0") for name in entrants):
            mem0.installed()
        load_average = os.getloadavg()[0]
        records = compete(entrants, material, options.threads)
        raw = {"machine": machine(options.threads), "load": round(load_average, 1), "records": records}
        write_figures(ROOT / "runs" / "peers.json", raw)
        from benchmarks.peers.summary import summarize

        keep({**summarize(raw, material), "experts": bundle_sha256(load_bundle())})
    return write_page()


if __name__ == "__main__":
    sys.exit(main())
