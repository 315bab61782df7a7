"""Writes `docs/speed.md` and its plot from `docs/speed.json`, and says whether what is promised holds there."""

from __future__ import annotations

import json
import os
import platform
import re
from pathlib import Path
from typing import Any, Literal, NamedTuple

from langchain_memlora.bundles import load_bundle
from langchain_memlora.lab.evaluation.fingerprint import bundle_sha256

ROOT = Path(__file__).parents[2]
FIGURES = ROOT / "docs" / "speed.json"
PAGE = ROOT / "docs" / "speed.md"
PLOT = ROOT / "docs" / "images" / "speed.png"
PART = re.compile(r"(<!-- generated: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)

# Tokens a call, in and out (Tables A6 and A7 of arXiv 2512.04763; out: Gemma2-2B).
PUBLISHED = {
    "paper: MemLoRA": {"extraction": (103, 30), "memory_update": (173, 55)},
    "paper: Mem0": {"extraction": (757, 21), "memory_update": (1735, 87)},
}
UNMEASURED = "No run is recorded yet.\n"
Figures = dict[str, Any]


def cost(found: Figures) -> str:
    """A row for each contestant: time, memory, and what came of it."""
    if "contestants" not in found:
        return UNMEASURED
    first = next(iter(found["contestants"].values()))["pair"]["seconds"]
    rows = [
        [
            name,
            one["engine"],
            f"{one['pair']['seconds']:.2f}",
            f"{one['pair']['seconds'] / first:.1f}",
            f"{one['pair']['cpu']:.2f}",
            *([f"{asked['seconds']:.2f}", f"{asked['f1']:.2f}"] if (asked := one["question"]) else ["", ""]),
            f"{one['megabytes']:.0f}",
            "given" if one["given"] else f"{one['known']} ({one['right']})",
        ]
        for name, one in found["contestants"].items()
    ]
    head = [
        "",
        "engine",
        "s a pair",
        "times the first",
        "processor s a pair",
        "s a question",
        "F1",
        "peak MB",
        "facts stored (right)",
    ]
    words = (
        "{pairs} pairs with {annotated} annotated facts, {questions} questions, on {machine}, load {load} at the start."
    )
    picture = "![Seconds a message pair](images/speed.png)"
    return f"{picture}\n\n{table(head, rows)}\n{words.format(**found)}{changed_since(found)}\n"


def tokens(found: Figures) -> str:
    """Tokens in and out of a pair by stage, beside those the paper published."""
    rows = []
    for name, one in found.get("contestants", {}).items():
        stages = one["pair"]["stages"]
        if any(stage["calls"] for stage in stages.values()):
            cells = [
                f"{stage['read']:.0f} + {stage['written']:.0f} ({stage['calls']:.1f})" for stage in stages.values()
            ]
            rows.append([name, *cells])
    rows += [[name, *(f"{read} + {out} a call" for read, out in stages.values())] for name, stages in PUBLISHED.items()]
    return table(["tokens in + out a pair (calls)", "extraction", "update"], rows)


def growth(found: Figures) -> str:
    """Seconds of each verb by how much was known."""
    if "growth" not in found:
        return UNMEASURED
    grown = found["growth"]
    sizes = list(grown["seconds"]["add"])
    rows = [[verb, *(f"{seconds[size]:.3f}" for size in sizes)] for verb, seconds in grown["seconds"].items()]
    words = f"Medians of {grown['pairs']} pairs and {grown['questions']} questions, on {found['machine']}."
    return table(["seconds, by memories there before", *(f"{int(size):,}" for size in sizes)], rows) + f"\n{words}\n"


def targets(found: Figures) -> str:
    """What is promised, and whether it holds."""
    rows = [
        [p.what, format(p.value, p.form), f"at {p.bound} {format(p.limit, p.form)}", "yes" if p.holds else "**no**"]
        for p in promises(found)
    ]
    return table(["", "measured", "promised", "holds"], rows)


PARTS = {part.__name__: part for part in (cost, tokens, growth, targets)}


class Promise(NamedTuple):
    """A figure and how large it must, or may, be."""

    what: str
    value: float
    bound: Literal["least", "most"]
    limit: float
    form: str = ".1f"

    @property
    def holds(self) -> bool:
        """Whether the figure keeps to its bound."""
        return self.value >= self.limit if self.bound == "least" else self.value <= self.limit


def promises(found: Figures) -> list[Promise]:
    """Every promise of which the figures were taken."""
    grown = found.get("growth")
    return ratios(found) + (_of_growth(grown) if grown else [])


def _of_growth(grown: Figures) -> list[Promise]:
    adds, searches = (grown["seconds"][verb] for verb in ("add", "search"))
    first, *_, last = adds
    return [
        Promise(f"seconds to add a pair, {int(first):,} memories known", adds[first], "most", 1.0, ".2f"),
        Promise(f"seconds to search, {int(last):,} memories known", searches[last], "most", 0.05, ".3f"),
        Promise("growth of an add with each doubling of what is known", grown["slope"], "most", 0.03, ".1%"),
    ]


def ratios(found: Figures) -> list[Promise]:
    """The ratios whose contestants ran.

    mem0 and this package are compared on pairs that have facts, with the same engine and forced lengths: mem0 skips its
    second call where nothing was extracted.
    """
    seconds = {name: one["pair"]["seconds with facts"] for name, one in found.get("contestants", {}).items()}
    promised = [
        ("mem0's time a pair to this package's, lengths forced, same engine", "mem0, forced", "memlora, forced", 15),
        ("the paper's form to this package with OpenVINO", "paper's form", "memlora", 4),
    ]
    return [
        Promise(what, seconds[a] / seconds[b], "least", least)
        for what, a, b, least in promised
        if a in seconds and b in seconds
    ]


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, ["---"] * len(head), *rows]) + "\n"


def plot(found: Figures) -> None:
    """Seconds a pair by stage, one bar a contestant."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    if "contestants" not in found:
        return
    told = {name: one["pair"] for name, one in found["contestants"].items() if one["pair"]["seconds"] > 0.01}
    names = list(told)[::-1]
    figure, axes = pyplot.subplots(figsize=(8, 0.45 * len(names) + 1.2), layout="constrained")
    left = [0.0] * len(names)
    for stage, colour in (("extraction", "#1b6ca8"), ("memory_update", "#c0504d"), ("rest", "#9db8cc")):
        widths = [told[name]["rest"] if stage == "rest" else told[name]["stages"][stage]["seconds"] for name in names]
        axes.barh(names, widths, left=left, color=colour, label=stage.replace("memory_", ""))
        left = [a + b for a, b in zip(left, widths, strict=True)]
    axes.set_xlabel("mean seconds a message pair")
    axes.legend(frameon=False)
    figure.savefig(PLOT, dpi=120)
    pyplot.close(figure)


def changed_since(found: Figures) -> str:
    """A warning where the figures are not those of the experts that ship."""
    same = found.get("experts") == bundle_sha256(load_bundle())
    return "" if same else " The default experts have changed since; `make measure WHAT=speed` measures these."


def machine(threads: int) -> str:
    """What this machine is, in words."""
    return f"{os.cpu_count()} CPU cores ({platform.machine()}), {threads} threads"


def keep(figures: Figures) -> None:
    """Put figures beside those of other runs."""
    known = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    FIGURES.write_text(json.dumps(known | figures, indent=1) + "\n")


def write_page() -> int:
    """Write page and plot from the figures; 1 if a promise does not hold there."""
    found = json.loads(FIGURES.read_text())
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(PART.sub(lambda match: match[1] + PARTS[match[2]](found) + match[3], page), encoding="utf-8")
    plot(found)
    print(*(part(found) for part in PARTS.values()), sep="\n")
    return int(not all(promise.holds for promise in promises(found)))
