"""Writes `docs/speed.md` and its plot from the recorded figures, and checks the promised ones."""

from __future__ import annotations

import os
import platform
from typing import Any, Literal, NamedTuple

from benchmarks.record import RECORDED, ROOT, fill_page, read_figures, table, write_figures
from langchain_memlora.bundles import load_bundle
from langchain_memlora.lab.evaluation.fingerprint import bundle_sha256

FIGURES = RECORDED / "speed.json"
PAGE = ROOT / "docs" / "speed.md"
PLOT = ROOT / "docs" / "images" / "speed.png"

# Tokens a call, in and out (Tables A6 and A7 of arXiv 2512.04763; out: Gemma2-2B).
PUBLISHED = {
    "paper: MemLoRA": {"extraction": (103, 30), "memory_update": (173, 55)},
    "paper: Mem0": {"extraction": (757, 21), "memory_update": (1735, 87)},
}
UNMEASURED = "No run is recorded yet.\n"
Figures = dict[str, Any]


def cost(found: Figures) -> str:
    """Return a row for each contestant: time, memory and facts stored."""
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
    """Return tokens in and out of a pair by stage, beside those the paper published."""
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
    """Return seconds of each verb by the number of memories."""
    if "growth" not in found:
        return UNMEASURED
    grown = found["growth"]
    sizes = list(grown["seconds"]["add"])
    rows = [[verb, *(f"{seconds[size]:.3f}" for size in sizes)] for verb, seconds in grown["seconds"].items()]
    words = f"Medians of {grown['pairs']} pairs and {grown['questions']} questions, on {found['machine']}."
    return table(["seconds, by memories there before", *(f"{int(size):,}" for size in sizes)], rows) + f"\n{words}\n"


def targets(found: Figures) -> str:
    """Return each promise and whether it holds."""
    rows = [
        [p.what, format(p.value, p.form), f"at {p.bound} {format(p.limit, p.form)}", "yes" if p.holds else "**no**"]
        for p in promises(found)
    ]
    return table(["", "measured", "promised", "holds"], rows)


PARTS = {part.__name__: part for part in (cost, tokens, growth, targets)}


class Promise(NamedTuple):
    """A figure with its lower or upper bound."""

    what: str
    value: float
    bound: Literal["least", "most"]
    limit: float
    form: str = ".1f"

    @property
    def holds(self) -> bool:
        """True if the figure keeps to its bound."""
        return self.value >= self.limit if self.bound == "least" else self.value <= self.limit


def promises(found: Figures) -> list[Promise]:
    """Return every promise with recorded figures."""
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
    """Return the ratios whose contestants ran.

    mem0 and this package are compared on pairs that have facts, with the same engine: mem0, whose lengths are forced, skips its
    second call where nothing was extracted.
    """
    seconds = {name: one["pair"]["seconds with facts"] for name, one in found.get("contestants", {}).items()}
    promised = [
        ("mem0's time a pair, lengths forced, to this package's with the same engine", "mem0, forced", "memlora", 15),
        ("the paper's form to this package with OpenVINO", "paper's form", "memlora", 4),
    ]
    return [
        Promise(what, seconds[a] / seconds[b], "least", least)
        for what, a, b, least in promised
        if a in seconds and b in seconds
    ]


def plot(found: Figures) -> None:
    """Draw seconds a pair by stage, one bar a contestant."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    if "contestants" not in found:
        return
    pairs = {name: one["pair"] for name, one in found["contestants"].items() if one["pair"]["seconds"] > 0.01}
    names = list(pairs)[::-1]
    figure, axes = pyplot.subplots(figsize=(8, 0.45 * len(names) + 1.2), layout="constrained")
    left = [0.0] * len(names)
    for stage, colour in (("extraction", "#1b6ca8"), ("memory_update", "#c0504d"), ("rest", "#9db8cc")):
        widths = [pairs[name]["rest"] if stage == "rest" else pairs[name]["stages"][stage]["seconds"] for name in names]
        axes.barh(names, widths, left=left, color=colour, label=stage.replace("memory_", ""))
        left = [a + b for a, b in zip(left, widths, strict=True)]
    axes.set_xlabel("mean seconds a message pair")
    axes.legend(frameon=False)
    figure.savefig(PLOT, dpi=120)
    pyplot.close(figure)


def changed_since(found: Figures) -> str:
    """Return a warning if the figures were not measured with the shipped experts."""
    same = found.get("experts") == bundle_sha256(load_bundle())
    return "" if same else " The default experts have changed since; `make measure WHAT=speed` measures these."


def machine(threads: int) -> str:
    """Describe this machine."""
    return f"{os.cpu_count()} CPU cores ({platform.machine()}), {threads} threads"


def keep(figures: Figures) -> None:
    """Record figures; those of other runs stay."""
    write_figures(FIGURES, read_figures(FIGURES) | figures)


def write_page() -> int:
    """Write page and plot from the figures; return 1 if one misses its promise."""
    found = read_figures(FIGURES)
    fill_page(PAGE, lambda part: PARTS[part](found))
    plot(found)
    print(*(part(found) for part in PARTS.values()), sep="\n")
    return int(not all(promise.holds for promise in promises(found)))
