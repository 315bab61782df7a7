"""Writes the parts of README and docs that come from the program, and checks that they are current.

A generated part stands between `<!-- generated: NAME -->` and `<!-- end -->`. Run `make docs`; `make lint` checks.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
BUNDLES = "langchain_memlora/bundles"
CARDS = (f"{BUNDLES}/smollm2-135m/README.md", f"{BUNDLES}/smollm2-135m-locomo/README.md")
PAGES = (
    "README.md",
    "docs/cli.md",
    "docs/concepts.md",
    "docs/benchmark.md",
    "docs/vision.md",
    "docs/stores.md",
    "docs/how-to/deploy.md",
    *CARDS,
)
FIGURES = ROOT / "docs" / "figures.json"
BENCHMARK = ROOT / "docs" / "benchmark.json"
VISION = ROOT / "docs" / "vision.json"
SCALE = ROOT / "docs" / "scale.json"
SPEED = ROOT / "docs" / "speed.json"
EXAMPLE = ROOT / "docs" / "recorded" / "first_steps.json"
PART = re.compile(r"(<!-- generated: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def graph() -> str:
    """The memory graph as Mermaid, drawn from the compiled graph itself."""
    from langchain_memlora.graph import Services, build_memory_graph

    nothing = Services(*[None] * 5)  # type: ignore[arg-type] - drawing runs no node
    drawn = build_memory_graph(nothing, checkpointer=None).compile().get_graph(xray=True).draw_mermaid()
    tidy = drawn.strip().replace("\\3a", "_")  # the colon, escaped
    return f"```mermaid\n{tidy}\n```\n"


def cli_help() -> str:
    """The help of every command."""
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
    """A command and those below it."""
    yield words
    for name, inner in getattr(command, "commands", {}).items():
        yield from _command_lines(inner, (*words, name))


def scripts() -> str:
    """What the shipped experts scored on the held-out scripts, by what a question checks."""
    figures = json.loads(FIGURES.read_text())
    rows = [f"| {kind} | {right} of {total} |" for kind, (right, total) in figures["by_kind"].items()]
    table = "\n".join(["| what the question checks | answers as expected |", "|---|---|", *rows])
    right, total = figures["right"], figures["questions"]
    cost = f"{figures['seconds_per_exchange']:.1f} s an exchange and {figures['seconds_per_answer']:.1f} s an answer"
    return f"{table}\n\n**{right} of {total} ({right / total:.0%})**, {cost}, on {figures['machine']}.\n"


def take_figures(run: Path) -> None:
    """Keep what the docs quote of a run of `memlora demo --script tests/scripts --json`."""
    played = json.loads(run.read_text())
    questions = [question for script in played["scripts"] for question in script["questions"]]
    usage = [usage for script in played["scripts"] for usage in script["usage"]]
    seconds = {stage: sum(u["seconds"] for u in usage if u["stage"] == stage) for stage in {u["stage"] for u in usage}}
    asking = seconds.pop("answer", 0) + seconds.pop("retrieve", 0)
    by_kind: dict[str, list[int]] = {}
    for question in questions:
        counts = by_kind.setdefault(question["shows"], [0, 0])
        counts[0] += question["passed"]
        counts[1] += 1
    figures = {
        "right": played["passed"],
        "questions": played["of"],
        "by_kind": dict(sorted(by_kind.items())),
        "seconds_per_answer": round(asking / len(questions), 2),
        "seconds_per_exchange": round(sum(seconds.values()) / sum(s["exchanges"] for s in played["scripts"]), 2),
        "machine": f"{os.cpu_count()} CPU cores ({platform.machine()})",
    }
    FIGURES.write_text(json.dumps(figures, indent=1) + "\n")


def card(bundle: str) -> str:
    """How each expert of a shipped bundle was trained, from its card."""
    found = json.loads((ROOT / BUNDLES / bundle / "card.json").read_text())
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
            rows.append(f"| {name} | {record['rows']} | {record['steps']} | {layers} | {loss} | {time} |")
    head = ["| expert | rows | steps | layers | validation loss | time |", "|---|---|---|---|---|---|"]
    return "\n".join([*head, *rows]) + "\n"


def setups() -> str:
    """What the benchmark compares."""
    from langchain_memlora.lab.evaluation.report import tables, to_markdown

    return to_markdown([tables.setups()])


def paper() -> str:
    """The paper's numbers, as published."""
    from langchain_memlora.lab.evaluation.report import tables, to_markdown
    from langchain_memlora.lab.evaluation.report.finished import published

    return f"{published()['source']}. {published()['note']}\n\n{to_markdown([tables.paper()])}"


def benchmark() -> str:
    """The scores of the runs that were recorded last."""
    from langchain_memlora.lab.evaluation.report import Finished, describe, to_markdown

    runs = [Finished(Path(run.pop("path")), **run) for run in json.loads(BENCHMARK.read_text())]
    return "\n".join(to_markdown([*describe(run)]) for run in runs)


def _recorded(dataset: str) -> Any:
    """The run on a data set that was recorded last."""
    for run in json.loads(BENCHMARK.read_text()):
        if run["config"]["dataset"] == dataset:
            return run
    msg = f"docs/benchmark.json holds no run on {dataset}. Record one with `make measure WHAT=benchmark`."
    raise LookupError(msg)


def updates() -> str:
    """The recorded update decisions, by kind of case."""
    from langchain_memlora.lab.evaluation.report import tables, to_markdown

    return to_markdown([tables.kinds(_recorded("updates")["scores"]["updates"])])


def locomo() -> str:
    """The recorded LoCoMo run in short: what is read, how well, at what cost."""
    run = _recorded("locomo")
    rows = []
    for name, found in run["scores"]["setups"].items():
        f1, evidence = found["f1"], found["evidence"]
        spread = f"{f1['mean']:.3f} ({f1['low']:.3f} to {f1['high']:.3f})"
        cost = f"{found['cost']['prompt_tokens']:.0f} | {found['cost']['seconds']:.1f}"
        rows.append(
            f"| {name} | {spread} | {evidence['any']['5']['mean']:.3f} | {evidence['shown']['mean']:.3f} | {cost} |"
        )
    head = "| read | F1 (95 % interval) | evidence in 5 hits | evidence read | tokens | seconds |\n|---|---|---|---|---|---|"
    machine = run["config"]["surroundings"]["machine"]
    return "\n".join([head, *rows]) + f"\n\n{found['f1']['n']} questions, on {machine}.\n"


def vision() -> str:
    """What the vision expert and its baselines scored in the last `make measure WHAT=vision`, by kind of question."""
    if not VISION.exists():
        return "No run is recorded yet; `make measure WHAT=vision` records one.\n"
    record = json.loads(VISION.read_text())
    kinds = list(next(iter(record["scores"].values())))
    rows = [f"| read | {' | '.join(kinds)} |", f"|---|{'---|' * len(kinds)}"]
    for name, found in record["scores"].items():
        cells = (f"{found[kind]['mean']:.3f} ({found[kind]['low']:.3f} to {found[kind]['high']:.3f})" for kind in kinds)
        rows.append(f"| {name} | {' | '.join(cells)} |")
    counts = ", ".join(f"{found['n']} {kind}" for kind, found in record["scores"]["vision expert"].items())
    warm_up, expert = record["warm_up"], record["expert"]
    return "\n".join(rows) + (
        f"\n\nHeld-out accuracy with 95 % intervals; questions: {counts}. A model of {warm_up['parameters'] / 1e6:.1f} million "
        f"parameters; {warm_up['rows']:,} captions in {warm_up['seconds'] / 60:.0f} min, then {expert['rows']:,} questions in "
        f"{expert['seconds'] / 60:.0f} min, on {record['machine']}.\n"
    )


def vision_costs() -> str:
    """What the same text experts do on a language model and on models that see."""
    record = json.loads(VISION.read_text()).get("costs") if VISION.exists() else None
    if not record:
        return "No run is recorded yet; `make measure WHAT=vision-costs` records one.\n"
    measures = list(dict.fromkeys(measure for found in record["measured"].values() for measure in found))
    rows = [f"| model | {' | '.join(measures)} |", f"|---|{'---|' * len(measures)}"]
    for name, found in record["measured"].items():
        cells = [
            f"{found[m]['mean']:.3f} ({found[m]['low']:.3f} to {found[m]['high']:.3f})" if m in found else ""
            for m in measures
        ]
        rows.append(f"| {name} | {' | '.join(cells)} |")
    apart = "; ".join(
        f"{name} {found['mean']:+.3f} (p = {found['p']:.2g})" for name, found in record["differences"].items()
    )
    return "\n".join(rows) + f"\n\nThe last against the first, case by case: {apart}. On {record['machine']}.\n"


def take_benchmark(paths: list[Path]) -> None:
    """Keep what the docs quote of finished runs of `memlora evaluate`."""
    from langchain_memlora.lab.evaluation.report import read_run

    runs = [read_run(path) for path in paths]
    kept = [
        {"path": r.path.resolve().name, "config": r.config, "scores": r.scores, "judgements": r.judgements}
        for r in runs
    ]
    BENCHMARK.write_text(json.dumps(kept, indent=1) + "\n")


def scale() -> str:
    """Adds and searches at growing sizes, from the last `make measure WHAT=scale`."""
    if not SCALE.exists():
        return "No run is recorded yet; `make measure WHAT=scale` records one.\n"
    record = json.loads(SCALE.read_text())
    rows = [
        f"| {name} | {row['vectors']:,} | {row['users']} | {row['add']['p50']} / {row['add']['p95']} | "
        f"{row['search']['p50']} / {row['search']['p95']} | {row['vectors_per_second']} | {row['disk_mb']} | "
        f"{row['memory_mb']} | {row['load']} |"
        for name, sizes in record["stores"].items()
        for row in sizes
    ]
    head = (
        "| store | vectors | users | add, ms: p50 / p95 | search, ms: p50 / p95 | vectors a second, in bulk | disk, MB | "
        "process, MB | load |\n|---|---|---|---|---|---|---|---|---|"
    )
    note = (
        f"On {record['machine']}. Where the load is above the number of cores, the machine did other work meanwhile, and the "
        "times are longer than its own."
    )
    return "\n".join([head, *rows]) + f"\n\n![Milliseconds by size](images/scale.png)\n\n{note}\n{_ingest(record)}"


def _ingest(record: dict[str, Any]) -> str:
    """How many messages `add_many` remembers in a second, by conversations in flight."""
    if not (found := record.get("ingest")):
        return ""
    rates = found["messages_per_second"]
    rows = ["| conversations in flight | " + " | ".join(rates) + " |", "|---|" + "---|" * len(rates)]
    rows.append("| messages a second | " + " | ".join(f"{rate:.1f}" for rate in rates.values()) + " |")
    note = (
        f"`add_many` with the {found['engine']} engine, {found['messages']} messages of {found['users']} users into an empty "
        f"memory, medians of {found['rounds']} rounds on the same machine."
    )
    return "\n" + "\n".join(rows) + f"\n\n{note}\n"


def speed() -> str:
    """The recorded run of `make measure WHAT=speed` in short."""
    sys.path.insert(0, str(ROOT))
    from benchmarks.peers.report import changed_since

    record = json.loads(SPEED.read_text())
    rows = []
    for name, found in record["contestants"].items():
        asked = f"{found['question']['seconds']:.1f}" if found["question"] else ""
        stored = "given" if found["given"] else f"{found['known']}, {found['right']} right"
        rows.append(f"| {name} | {found['engine']} | {found['pair']['seconds']:.1f} | {asked} | {stored} |")
    head = "| | engine | seconds to add a pair | to answer | facts stored |\n|---|---|---|---|---|"
    note = f"{record['pairs']} message pairs and {record['questions']} questions, on {record['machine']}."
    plot = "![Seconds a message pair](docs/images/speed.png)"
    return "\n".join([head, *rows]) + f"\n\n{plot}\n\n{note}{changed_since(record)}\n"


def sizing() -> str:
    """What one copy of a service does and needs, from the recorded runs of `make measure WHAT='speed scale'`."""
    if not SCALE.exists():
        return "No run is recorded yet; `make measure WHAT='speed scale'` records one.\n"
    record, stores = json.loads(SPEED.read_text()), json.loads(SCALE.read_text())["stores"]
    rows = [
        (
            "message pairs a copy remembers in an hour",
            f"{3600 / record['contestants'][name]['pair']['seconds']:,.0f}",
            name,
        )
        for name in ("memlora", "memlora on transformers")
    ]
    rows += [
        (
            "questions a copy answers in an hour",
            f"{3600 / record['contestants'][name]['question']['seconds']:,.0f}",
            name,
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
    table = "\n".join(f"| {what} | {much} | {where} |" for what, much, where in rows)
    note = f"Pairs and questions at the median, on {record['machine']}; a copy has both cores."
    return f"| | | measured with |\n|---|---|---|\n{table}\n\n{note}\n"


def first_steps() -> str:
    """The output of the README's first example, as recorded by `--example`; stale once the example has changed."""
    recorded = json.loads(EXAMPLE.read_text()) if EXAMPLE.exists() else {}
    return f"```text\n{recorded['output']}```\n" if recorded.get("code") == _example() else "Run `make docs`.\n"


def _example() -> str:
    """The first Python block of the README."""
    return (ROOT / "README.md").read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]


def take_example() -> None:
    """Run the README's first example with the real model in an empty memory, and keep what it prints."""
    with tempfile.TemporaryDirectory() as home:
        environment = os.environ | {"MEMLORA_HOME": home, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
        done = subprocess.run(
            [sys.executable, "-c", _example()], env=environment, stdout=subprocess.PIPE, text=True, check=True
        )
    EXAMPLE.write_text(json.dumps({"code": _example(), "output": done.stdout}, indent=1) + "\n")


def peers() -> str:
    """This package beside mem0 and LangMem: their documented properties, and the figures of recorded runs."""
    record = json.loads(SPEED.read_text())
    ours, plain, mem0 = (record["contestants"][name] for name in ("memlora", "memlora on transformers", "mem0"))
    f1 = _recorded("locomo")["scores"]["setups"]["memlora"]["f1"]["mean"]
    rows = [
        ("", "langchain-memlora", "mem0 1.0.11", "LangMem 0.0.30"),
        ("---",) * 4,
        ("needs", "nothing else", "an LLM, by default OpenAI's with an API key", "a chat model that calls tools"),
        ("sends messages to", "no server", "that LLM and the embedder", "that chat model"),
        ("telemetry", "none", "on by default", "none found"),
        ("history, undo", "both, for every change", "history", "neither"),
        ("erasure", "down to the bytes", "of vectors; the history keeps the text", "of the store's items"),
        (
            "seconds to add a message pair, same 135M model and engine",
            *(f"{one['pair']['seconds']:.1f}" for one in (ours, mem0)),
            "not measured",
        ),
        (
            f"facts stored right, of {record['annotated']}, same model",
            *(str(one["right"]) for one in (ours, mem0)),
            "not measured",
        ),
        ("LoCoMo F1", f"{f1:.2f}, with a reader trained on LoCoMo", "not measured", "not measured"),
    ]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    note = (
        f"Measured on {record['machine']}, with OpenVINO; the default engine takes {plain['pair']['seconds']:.1f} s. mem0 is "
        "made for a large LLM: a model of this size can't produce its JSON. See [speed](docs/speed.md) and "
        "[benchmark](docs/benchmark.md)."
    )
    return f"{table}\n\n{note}\n"


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
    "sizing": sizing,
    "speed": speed,
    "vision": vision,
    "vision-costs": vision_costs,
}


def render(page: Path) -> str:
    """A page with its generated parts made anew."""
    return PART.sub(lambda match: match[1] + PARTS[match[2]]() + match[3], page.read_text(encoding="utf-8"))


def main() -> int:
    """Write the pages, or list the stale ones with `--check`.

    `--example`, `--figures FILE` and `--benchmark RUN...` record new runs first.
    """
    if "--example" in sys.argv:
        take_example()
    if "--figures" in sys.argv:
        take_figures(Path(sys.argv[-1]))
    if "--benchmark" in sys.argv:
        take_benchmark([Path(name) for name in sys.argv[sys.argv.index("--benchmark") + 1 :]])
    check = "--check" in sys.argv
    stale = []
    for name in PAGES:
        page = ROOT / name
        fresh = render(page)
        if fresh != page.read_text(encoding="utf-8"):
            stale.append(name)
            if not check:
                page.write_text(fresh, encoding="utf-8")
    if stale:
        print(("Stale, run `make docs`: " if check else "Written: ") + ", ".join(stale))
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
