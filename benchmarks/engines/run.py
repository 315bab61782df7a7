"""Engines against each other: the same prompts, in turns, on this machine. Writes runs/engines.json and docs/engines.md.

    python -m benchmarks.engines.run                        # or: make measure WHAT=engines
    python -m benchmarks.engines.run --rounds 1 --count 2   # a quick run

Each engine lives in a process of its own. One round gives every engine the same call, one engine after the other, before
the next call comes, so that other load on the machine affects all of them alike.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import statistics
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks.engines.worker import ENGINES, Measured, installed, work
from benchmarks.record import ROOT, fill_page, table, write_figures
from langchain_memlora.bundles import Role, load_bundle
from langchain_memlora.engines.base import Request
from langchain_memlora.testing.engine_conformance import conformance_cases

STAGES = ("choose from a message", "decide a fact", "answer", "read 400 tokens", "write 64 tokens")
SETTING = (
    "Here: {cores} cores ({machine}), {threads} thread(s) an engine, {count} calls of each kind in {rounds} round(s), load "
    "average {load} when it began. With a load above the number of cores the machine did other work at the same time: then "
    "only ratios within a row mean anything, and those of processor seconds more than those of the clock."
)
Record = dict[str, Any]


def calls(count: int) -> list[tuple[str, list[Request]]]:
    """Return calls as the memory makes them: sentences of a message, and candidates of a fact, together; answers singly."""
    bundle = load_bundle()
    shown = bundle.card.update.candidates
    cases = conformance_cases(bundle, messages=count, pairs=shown * count, questions=count)
    asked = {role: [case.request for case in cases if case.request.role is role] for role in Role}
    pairs = asked[Role.MEMORY_UPDATE]
    messages: dict[str, list[Request]] = {}
    for case in cases:
        if case.request.role is Role.EXTRACTION:
            messages.setdefault(case.source, []).append(case.request)
    writing = Request(None, "Write a long story about a dog that moves from Porto to Berlin.", 64)
    long = "I moved from Porto to Berlin last week with my dog Bruno, who likes the park. " * 18
    made = [(STAGES[3], [Request(Role.EXTRACTION, long, choices=("1", "none"))])] * count
    made += [(STAGES[4], [writing])] * count
    made += [(STAGES[0], requests) for requests in messages.values()]
    made += [(STAGES[1], pairs[start : start + shown]) for start in range(0, len(pairs), shown)]
    made += [(STAGES[2], [request]) for request in asked[Role.GENERATION]]
    # The same with one token to write: the difference is the time spent on writing.
    firsts = [
        (f"{stage}, first token", [replace(r, max_tokens=1) for r in rs]) for stage, rs in made if stage == STAGES[4]
    ]
    return made + firsts


def measure(names: list[str], count: int, rounds: int, threads: int) -> Record:
    """Run all calls on all engines in turns."""
    context = multiprocessing.get_context("spawn")
    workers: dict[str, Any] = {}
    record: Record = {name: {"calls": {}} for name in names}
    for name in names:
        mine, theirs = context.Pipe()
        process = context.Process(target=work, args=(name, threads, theirs))
        process.start()
        load, memory = mine.recv()
        record[name] |= {"load": asdict(load), "memory_loaded": memory}
        workers[name] = (mine, process)
        print(f"{name}: loaded in {load.seconds:.1f} s", flush=True)
    todo = calls(count)
    for number in range(rounds + 1):  # the first round warms up and is not counted
        for stage, requests in todo if number else dict(todo).items():
            for name, (pipe, _) in workers.items():
                pipe.send(requests)
                found: Measured = pipe.recv()
                if number:
                    record[name]["calls"].setdefault(stage, []).append(asdict(found))
        print(f"round {number} of {rounds}", flush=True)
    for name, (pipe, process) in workers.items():
        pipe.send(None)
        record[name]["memory"] = pipe.recv()
        process.join()
    return record


def summarize(one: Record) -> Record:
    """Return medians of one engine: seconds of each stage, by the clock and of the processor, and tokens a second."""
    found: Record = {"load": one["load"], "memory": one["memory"]}
    for key in ("seconds", "cpu"):
        total = {
            stage: [sum(c[key] for c in made), sum(c["read"] for c in made), sum(c["written"] for c in made)]
            for stage, made in one["calls"].items()
        }
        whole, first = total[STAGES[4]], total[f"{STAGES[4]}, first token"]
        found[key] = {
            **{stage: statistics.median(c[key] for c in one["calls"][stage]) for stage in STAGES},
            "tokens read a second": total[STAGES[3]][1] / total[STAGES[3]][0],
            "tokens written a second": (whole[2] - first[2]) / (whole[0] - first[0]),
        }
    return found


def figures(engines: Record) -> str:
    """Return a table with a row for each figure, a column for each engine."""
    stages = [(stage, ".2f") for stage in STAGES[:3]] + [
        (f"tokens {done} a second", ".0f") for done in ("read", "written")
    ]
    rows: list[list[str]] = []
    for title, key in (("processor seconds", "cpu"), ("seconds by the clock", "seconds")):
        rows.append([f"**{title}**", *[""] * len(engines)])
        rows += [[stage, *(format(one[key][stage], form) for one in engines.values())] for stage, form in stages]
    rows.append(["load, processor seconds", *(f"{one['load']['cpu']:.1f}" for one in engines.values())])
    rows.append(["most memory, the bare package taken off, MB", *(f"{one['memory']:.0f}" for one in engines.values())])
    return table(["", *engines], rows).rstrip()


def main() -> None:
    """Measure, keep the record and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engines", nargs="*", default=[name for name in ENGINES if installed(name)], choices=ENGINES)
    parser.add_argument("--count", type=int, default=8, help="calls of each stage")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "engines.json")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs" / "engines.md")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    calls_made = measure(options.engines, options.count, options.rounds, options.threads)
    machine = {
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "threads": options.threads,
        "load": f"{load:.0f}",
        "count": options.count,
        "rounds": options.rounds,
    }
    record = {
        "machine": machine,
        "engines": {name: summarize(one) for name, one in calls_made.items()},
        "calls": calls_made,
    }
    write_figures(options.out, record)
    measured = f"{SETTING.format(**machine)}\n\n{figures(record['engines'])}\n"
    fill_page(options.docs, lambda _: measured)
    print(measured)


if __name__ == "__main__":
    main()
