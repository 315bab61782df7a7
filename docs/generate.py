"""Writes the parts of README and docs that come from the program, and checks that they are current.

python -m docs.generate            # from the root of the repository; part of make docs
python -m docs.generate --check    # part of make lint
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.languages import languages
from benchmarks.peers.report import changed_since
from benchmarks.record import RECORDED, ROOT, fill_page, read_figures, table, write_figures
from docs.search_figures import search, search_thresholds
from docs.training_figures import message_files, message_labels, near_duplicates
from langchain_memlora.bundles import load_bundle

PAGES = (
    "README.md",
    "docs/cli.md",
    "docs/concepts.md",
    "docs/benchmark.md",
    "docs/vision.md",
    "docs/stores.md",
    "docs/training-data.md",
    "docs/how-to/deploy.md",
    "docs/how-to/languages.md",
    "docs/how-to/search.md",
    "langchain_memlora/bundles/smollm2-135m/README.md",
    "benchmarks/locomo/bundle/smollm2-135m-locomo/README.md",
)
SCRIPTS, BENCHMARK, VISION, SCALE, SPEED, EXAMPLE, BLIND, LONG_TEXTS = (
    RECORDED / f"{name}.json"
    for name in ("scripts", "benchmark", "vision", "scale", "speed", "first_steps", "blind", "long_texts")
)


def graph() -> str:
    """Return the memory graph as Mermaid, drawn from the compiled graph itself."""
    from langchain_memlora.graph import Services, build_memory_graph

    nothing = Services(*[None] * 5)  # type: ignore[arg-type] - drawing runs no node
    drawn = build_memory_graph(nothing, checkpointer=None).compile().get_graph(xray=True).draw_mermaid()
    tidy = drawn.strip().replace("\\3a", "_")  # the colon, escaped
    return f"```mermaid\n{tidy}\n```\n"


def cli_help() -> str:
    """Return the help of every command."""
    from typer.main import get_command
    from typer.testing import CliRunner

    from langchain_memlora.cli.app import app

    runner = CliRunner(env={"COLUMNS": "100", "TERM": "dumb", "NO_COLOR": "1"})
    pages = []
    for words in _command_lines(get_command(app)):
        text = runner.invoke(app, [*words, "--help"], prog_name="memlora").output
        text = "\n".join(line.rstrip() for line in text.strip().splitlines())
        pages.append(f"## `memlora {' '.join(words)}`\n\n```text\n{text}\n```\n".replace("memlora `", "memlora`"))
    return "\n".join(pages)


def _command_lines(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the words of a command and of those below it."""
    yield words
    for name, inner in getattr(command, "commands", {}).items():
        yield from _command_lines(inner, (*words, name))


def scripts() -> str:
    """Return the scores of the shipped experts on the scripts, by what a question checks."""
    figures = read_figures(SCRIPTS)
    kinds = sorted({kind for one in figures.values() for kind in one["by_kind"]})
    rows = [[kind, *(_share(one["by_kind"].get(kind)) for one in figures.values())] for kind in kinds]
    rows.append(["**all**", *(f"**{_share((one['right'], one['questions']))}**" for one in figures.values())])
    costs = "; ".join(
        f"{name}: {one['seconds_per_exchange']:.1f} s an exchange, {one['seconds_per_answer']:.1f} s an answer"
        for name, one in figures.items()
    )
    machine = " and ".join(sorted({one["machine"] for one in figures.values()}))
    return f"{table(['what the question checks', *figures], rows)}\nOn {machine}. {costs}.\n"


def _share(counts: Sequence[int] | None) -> str:
    return f"{counts[0]} of {counts[1]} ({counts[0] / counts[1]:.0%})" if counts else ""


def record_scripts(runs: Sequence[Path]) -> None:
    """Record what the docs quote of runs of `memlora demo --script FOLDER --json`, by the names of their files."""
    write_figures(SCRIPTS, {run.stem: _script_figures(json.loads(run.read_text())) for run in runs})


def _script_figures(played: dict[str, Any]) -> dict[str, Any]:
    questions = [question for script in played["scripts"] for question in script["questions"]]
    usage = [usage for script in played["scripts"] for usage in script["usage"]]
    seconds = {stage: sum(u["seconds"] for u in usage if u["stage"] == stage) for stage in {u["stage"] for u in usage}}
    asking = seconds.pop("answer", 0) + seconds.pop("retrieve", 0)
    by_kind: dict[str, list[int]] = {}
    for question in questions:
        counts = by_kind.setdefault(question["shows"], [0, 0])
        counts[0] += question["passed"]
        counts[1] += 1
    return {
        "right": played["passed"],
        "questions": played["of"],
        "by_kind": dict(sorted(by_kind.items())),
        "seconds_per_answer": round(asking / len(questions), 2),
        "seconds_per_exchange": round(sum(seconds.values()) / sum(s["exchanges"] for s in played["scripts"]), 2),
        "machine": f"{os.cpu_count()} CPU cores ({platform.machine()})",
    }


def card(bundle: str) -> str:
    """Return how each expert of a bundle was trained, from its card."""
    found = json.loads((load_bundle(bundle).path / "card.json").read_text())
    rows = []
    for role, last in found["training"].items():
        passes = [last]
        while "before" in passes[0]:
            passes.insert(0, passes[0]["before"])
        for number, record in enumerate(passes, 1):
            targets = record["recipe"]["targets"]
            layers = targets if isinstance(targets, str) else ", ".join(targets)
            at_least = "over " if record["resumed_at_step"] else ""
            time = f"{at_least}{record['seconds'] // 60} min ({record['device']})"
            name = f"{role}, pass {number}" if len(passes) > 1 else role
            loss = record["validation_loss"]
            rows.append([name, record["rows"], record["steps"], layers, loss, time])
    return table(["expert", "rows", "steps", "layers", "validation loss", "time"], rows)


def setups() -> str:
    """Return what the benchmark compares."""
    from langchain_memlora.lab.evaluation.report import tables, to_markdown

    return to_markdown([tables.setups()])


def paper() -> str:
    """Return the paper's numbers, as published."""
    from langchain_memlora.lab.evaluation.report import tables, to_markdown
    from langchain_memlora.lab.evaluation.report.finished import published

    return f"{published()['source']}. {published()['note']}\n\n{to_markdown([tables.paper()])}"


def benchmark() -> str:
    """Return the scores of the runs that were recorded last."""
    from langchain_memlora.lab.evaluation.report import Finished, describe, to_markdown

    runs = [Finished(Path(run.pop("path")), **run) for run in read_figures(BENCHMARK)]
    return "\n".join(to_markdown([*describe(run)]) for run in runs)


def _recorded(dataset: str) -> Any:
    """Return the run on a data set that was recorded last."""
    for run in read_figures(BENCHMARK):
        if run["config"]["dataset"] == dataset:
            return run
    msg = f"{BENCHMARK} has no run on {dataset}. Record one with `make measure WHAT=benchmark`."
    raise LookupError(msg)


def updates() -> str:
    """Return the recorded update decisions, by kind of case."""
    from langchain_memlora.lab.evaluation.report import tables, to_markdown

    return to_markdown([tables.kinds(_recorded("updates")["scores"]["updates"])])


def locomo() -> str:
    """Return the recorded LoCoMo run in short: what is read, how well, at what cost."""
    run = _recorded("locomo")
    rows = []
    for name, found in run["scores"]["setups"].items():
        f1, evidence = found["f1"], found["evidence"]
        cost = (f"{found['cost']['prompt_tokens']:.0f}", f"{found['cost']['seconds']:.1f}")
        shares = (f"{evidence['any']['5']['mean']:.3f}", f"{evidence['shown']['mean']:.3f}")
        rows.append([name, _spread(f1), *shares, *cost])
    head = ["read", "F1 (95 % interval)", "evidence in 5 hits", "evidence read", "tokens", "seconds"]
    machine = run["config"]["surroundings"]["machine"]
    return table(head, rows) + f"\n{found['f1']['n']} questions, on {machine}.\n"


def _spread(found: dict[str, float]) -> str:
    """Format a mean with its interval."""
    return f"{found['mean']:.3f} ({found['low']:.3f} to {found['high']:.3f})"


def blind() -> str:
    """Return what blind readers found right of the texts stored of unseen messages, by bundle."""
    runs = read_figures(BLIND)["runs"]
    keys = ("right", "wrong", "found", "found_or_partly", "silent")
    head = [
        "bundle",
        "texts right",
        "wrong or invented",
        "facts found",
        "found or partly",
        "silent if nothing is stated",
    ]
    shipped = [run for run in runs if "extraction" in run]
    rows = [
        [f"`{run['bundle']}`" if run in shipped else run["bundle"], *(f"{run[key]:.0%}" for key in keys)]
        for run in runs
    ]
    changed = [run["bundle"] for run in shipped if run["extraction"] != _extraction_sha256(run["bundle"])]
    note = (
        f"Two sets of unseen exchanges ({runs[0]['exchanges']} and {runs[1]['exchanges']}), from plain statements to jokes and "
        f"pasted text, labelled by a large language model that did not know the system ({runs[0]['date']}). The first row "
        f"counts the English ones: {runs[0]['texts']} texts, {runs[0]['facts']} facts; of ten in other languages nothing was "
        f"stored. Of its texts {runs[0]['vague']:.0%} can't be understood alone, and {runs[0]['not_told']:.0%} were not meant "
        "(jokes, passing talk, what was taken back). The default before wrote sentences about the user."
    )
    return f"{table(head, rows)}\n{note}{_changed(changed)}\n"


def _changed(bundles: Sequence[str]) -> str:
    return f" Since then the extraction expert of {', '.join(bundles)} has changed." if bundles else ""


def _extraction_sha256(bundle: str) -> str:
    """Return the hash of the weights that decide what is stored."""
    weights = load_bundle(bundle).path / "extraction" / "adapter_model.safetensors"
    return hashlib.sha256(weights.read_bytes()).hexdigest()


def weak() -> str:
    """Return the weakest figures of the recorded runs, as a list."""
    chats, assistant = (_recorded(name)["scores"] for name in ("locomo", "assistant"))
    decided = _recorded("updates")["scores"]["updates"]["by_kind"]["no-change"]
    invented = " and ".join(
        f"{1 - found['rejected_empty']:.0%} of {found['windows'] - found['windows_with_facts']} on {name}"
        for name, found in (("LoCoMo", chats["extraction"]), ("the assistant histories", assistant["extraction"]))
    )
    changed = {name: assistant["setups"][name]["by_category"]["changed"] for name in ("memlora", "turns")}
    return (
        f"- Facts are extracted from windows that state none: {invented} (LoCoMo's annotations are incomplete).\n"
        f"- Of the update cases in which nothing changes (`no-change`), {decided['mean']:.0%} of {decided['n']} are decided "
        "right.\n"
        f"- On questions about something that changed, `memlora` has F1 {changed['memlora']['mean']:.2f} and turns alone "
        f"{changed['turns']['mean']:.2f} ({changed['turns']['n']} questions on the assistant histories).\n"
    )


def vision() -> str:
    """Return the scores of the vision expert and its baselines in the last `make measure WHAT=vision`, by kind of question."""
    record = read_figures(VISION)
    if "scores" not in record:
        return "No run is recorded yet; `make measure WHAT=vision` records one.\n"
    kinds = list(next(iter(record["scores"].values())))
    rows = [[name, *(_spread(found[kind]) for kind in kinds)] for name, found in record["scores"].items()]
    counts = ", ".join(f"{found['n']} {kind}" for kind, found in record["scores"]["vision expert"].items())
    warm_up, expert = record["warm_up"], record["expert"]
    return table(["read", *kinds], rows) + (
        f"\nHeld-out accuracy with 95 % intervals; questions: {counts}. A model of {warm_up['parameters'] / 1e6:.1f} million "
        f"parameters; {warm_up['rows']:,} captions in {warm_up['seconds'] / 60:.0f} min, then {expert['rows']:,} questions in "
        f"{expert['seconds'] / 60:.0f} min, on {record['machine']}.\n"
    )


def vision_costs() -> str:
    """Return the scores of the same text experts on a language model and on vision-language models."""
    record = read_figures(VISION).get("costs")
    if not record:
        return "No run is recorded yet; `make measure WHAT=vision-costs` records one.\n"
    measures = list(dict.fromkeys(measure for found in record["measured"].values() for measure in found))
    rows = [
        [name, *(_spread(found[m]) if m in found else "" for m in measures)]
        for name, found in record["measured"].items()
    ]
    apart = "; ".join(
        f"{name} {found['mean']:+.3f} (p = {found['p']:.2g})" for name, found in record["differences"].items()
    )
    return (
        table(["model", *measures], rows)
        + f"\nThe last against the first, case by case: {apart}. On {record['machine']}.\n"
    )


def record_benchmark(paths: list[Path]) -> None:
    """Record what the docs quote of finished runs of `memlora evaluate`; runs of other names stay recorded."""
    from langchain_memlora.lab.evaluation.report import read_run

    runs = {run["path"]: run for run in read_figures(BENCHMARK) or ()}
    for run in map(read_run, paths):
        name = run.path.resolve().name
        runs[name] = {"path": name, "config": run.config, "scores": run.scores, "judgements": run.judgements}
    write_figures(BENCHMARK, list(runs.values()))


def scale() -> str:
    """Return times of adds and searches at growing sizes, from the last `make measure WHAT=scale`."""
    record = read_figures(SCALE)
    if not record:
        return "No run is recorded yet; `make measure WHAT=scale` records one.\n"
    last = ("vectors_per_second", "disk_mb", "memory_mb", "load")
    rows = [
        [
            name,
            row["vectors"],
            row["users"],
            *(_percentiles(row[v]) for v in ("add", "search")),
            *(row[k] for k in last),
        ]
        for name, sizes in record["stores"].items()
        for row in sizes
    ]
    head = ["store", "vectors", "users", "add, ms: p50 / p95", "search, ms: p50 / p95"]
    head += ["vectors a second, in bulk", "disk, MB", "process, MB", "load"]
    note = (
        f"On {record['machine']}. Where the load is above the number of cores, the machine did other work meanwhile, and the "
        "times are longer than its own."
    )
    return table(head, rows) + f"\n![Milliseconds by size](images/scale.png)\n\n{note}\n{_ingest(record)}"


def _percentiles(found: dict[str, float]) -> str:
    return f"{found['p50']} / {found['p95']}"


def _ingest(record: dict[str, Any]) -> str:
    """Return the rate of `add_many`, by conversations in flight."""
    if not (found := record.get("ingest")):
        return ""
    rates = found["messages_per_second"]
    rows = [["messages a second", *(f"{rate:.1f}" for rate in rates.values())]]
    note = (
        f"`add_many` with the {found['engine']} engine, {found['messages']} messages of {found['users']} users into an empty "
        f"memory, medians of {found['rounds']} rounds on the same machine."
    )
    return "\n" + table(["conversations in flight", *rates], rows) + f"\n{note}\n"


def long_texts() -> str:
    """Return the seconds to add long messages, from the last `make measure WHAT=long-texts`."""
    record = read_figures(LONG_TEXTS)
    if not record:
        return "No run is recorded yet; `make measure WHAT=long-texts` records one.\n"
    verbs = ("add", "answer")
    head = [
        "seconds, by characters of the message",
        *(f"{verb}, {size:,}" for verb in verbs for size in record["sizes"]),
    ]
    rows = [
        [kind, *(f"{sizes[str(size)][verb]:.1f}" for verb in verbs for size in record["sizes"])]
        for kind, sizes in record["seconds"].items()
    ]
    note = (
        f"With the {record['engine']} engine on {record['machine']}, into an empty memory; load {record['load']} at the end. "
        "Where the load is above the number of cores, the machine did other work meanwhile."
    )
    return f"{table(head, rows)}\n{note}\n"


def sizing() -> str:
    """Return what one copy of a service does and needs, from the recorded `make measure WHAT='speed scale'`."""
    record, stores = read_figures(SPEED), read_figures(SCALE).get("stores", {})
    if not (record and stores):
        return "No run is recorded yet; `make measure WHAT=speed` and `make measure WHAT=scale` record them.\n"
    rows = [
        (what, f"{3600 / record['contestants'][name][verb]['seconds']:,.0f}", name)
        for what, verb in (
            ("message pairs a copy remembers in an hour", "pair"),
            ("questions a copy answers in an hour", "question"),
        )
        for name in ("memlora", "memlora on transformers")
    ]
    rows += [("memory of a copy, MB", f"{record['contestants']['memlora']['megabytes']:,.0f}", "memlora")]
    for name, sizes in stores.items():
        last = sizes[-1]
        at = f"{name}, at {last['vectors']:,} vectors"
        rows += [("disk, MB for 1,000 messages", f"{3000 * last['disk_mb'] / last['vectors']:,.0f}", at)]
        rows += [("search without the model, ms (p95)", f"{last['search']['p95']:,.0f}", at)]
        rows += [("add without the model, ms (p95)", f"{last['add']['p95']:,.0f}", at)]
    note = f"Pairs and questions at the median, on {record['machine']}; a copy has both cores."
    return table(["", "", "measured with"], rows) + f"\n{note}\n"


def first_steps() -> str:
    """Return the output of the README's first example, as recorded by `--example`; stale once the example has changed."""
    recorded = read_figures(EXAMPLE)
    return f"```text\n{recorded['output']}```\n" if recorded.get("code") == _example() else "Run `make docs`.\n"


def _example() -> str:
    """Return the first Python block of the README."""
    return (ROOT / "README.md").read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]


def record_example() -> None:
    """Run the README's first example with the real model in an empty memory, and record its output."""
    with tempfile.TemporaryDirectory() as home:
        environment = os.environ | {"MEMLORA_HOME": home, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
        done = subprocess.run(
            [sys.executable, "-c", _example()], env=environment, stdout=subprocess.PIPE, text=True, check=True
        )
    write_figures(EXAMPLE, {"code": _example(), "output": done.stdout})


def peers() -> str:
    """Return this package compared with mem0 and LangMem: documented properties, and figures of recorded runs."""
    record = read_figures(SPEED)
    ours, plain, mem0 = (record["contestants"][name] for name in ("memlora", "memlora on transformers", "mem0"))
    f1 = _recorded("locomo")["scores"]["setups"]["memlora"]["f1"]["mean"]
    head = ("", "langchain-memlora", "mem0 1.0.11", "LangMem 0.0.30")
    unknown = "not measured"
    rows = [
        ("needs", "nothing else", "an LLM, by default OpenAI's with an API key", "a chat model that calls tools"),
        ("sends messages to", "no server", "that LLM and the embedder", "that chat model"),
        ("telemetry", "none", "on by default", "none found"),
        ("history, undo", "both, for every change", "history", "neither"),
        ("erasure", "down to the bytes", "of vectors; the history keeps the text", "of the store's items"),
        (
            "seconds to add a message pair, with the same 135M model",
            f"{ours['pair']['seconds']:.1f} with OpenVINO, {plain['pair']['seconds']:.1f} with the default engine",
            f"{mem0['pair']['seconds']:.1f} with OpenVINO",
            unknown,
        ),
        (
            f"facts stored right, of {record['annotated']}, with the same 135M model",
            ours["right"],
            f"{mem0['right']}; made for a large LLM, with which it was not measured",
            unknown,
        ),
        ("LoCoMo F1", f"{f1:.2f}, with a reader trained on LoCoMo", unknown, unknown),
    ]
    note = (
        f"Measured on {record['machine']}. A stored fact counts as right if its sentence is similar to an annotated one, which "
        "is lenient: a wrong detail can pass. mem0 needs JSON that a model of this size can't produce. See "
        f"[speed](docs/speed.md) and [benchmark](docs/benchmark.md).{changed_since(record)}"
    )
    return f"{table(head, rows)}\n{note}\n"


PARTS: dict[str, Callable[[], str]] = {
    "first-steps": first_steps,
    "peers": peers,
    "scale": scale,
    "graph": graph,
    "cli": cli_help,
    "scripts": scripts,
    "card": partial(card, "smollm2-135m"),
    "card-locomo": partial(card, "smollm2-135m-locomo"),
    "setups": setups,
    "paper": paper,
    "benchmark": benchmark,
    "locomo": locomo,
    "updates": updates,
    "blind": blind,
    "languages": languages,
    "message-labels": message_labels,
    "near-duplicates": near_duplicates,
    "message-files": message_files,
    "weak": weak,
    "sizing": sizing,
    "long-texts": long_texts,
    "search": search,
    "search-thresholds": search_thresholds,
    "vision": vision,
    "vision-costs": vision_costs,
}


def main() -> int:
    """Write the pages, or name the stale ones with `--check`.

    `--example`, `--figures RUN...` and `--benchmark RUN...` record new runs first.
    """
    if "--example" in sys.argv:
        record_example()
    if "--figures" in sys.argv:
        record_scripts([Path(name) for name in sys.argv[sys.argv.index("--figures") + 1 :]])
    if "--benchmark" in sys.argv:
        record_benchmark([Path(name) for name in sys.argv[sys.argv.index("--benchmark") + 1 :]])
    check = "--check" in sys.argv
    stale = [name for name in PAGES if fill_page(ROOT / name, lambda part: PARTS[part](), write=not check)]
    if stale:
        print(("Stale, run `make docs`: " if check else "Written: ") + ", ".join(stale))
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
