"""The plots of a report. Each takes a run and a file, and says whether there was anything to draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from langchain_memlora.errors import InvalidInputError
from langchain_memlora.lab.evaluation.report.finished import Finished, published
from langchain_memlora.lab.evaluation.report.tables import ingestion_stages
from langchain_memlora.lab.evaluation.setups import MEMLORA, STAGES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OURS, THEIRS, PALE = "#1b6ca8", "#c0504d", "#9db8cc"
SIZES = (0.08, 200)
BASE_BILLIONS = {"smollm2-135m-instruct": 0.135}


def scores(run: Finished, file: Path) -> bool:
    """F1 of every setup with its interval."""
    found = {name: s["f1"] for name, s in run.setups.items() if s["f1"]}
    if not found:
        return False
    figure, axes = _canvas(7, 0.4 * len(found) + 1.2)
    names = list(found)[::-1]
    _bars(axes, names, [found[name] for name in names], horizontal=True)
    axes.set_xlabel(f"F1, {run.config['dataset']}, {found[names[0]]['n']} questions, 95 % bootstrap interval")
    return _save(figure, file)


def categories(run: Finished, file: Path) -> bool:
    """F1 of every setup by category."""
    keys = sorted({key for s in run.setups.values() for key in s["by_category"]})
    if not keys:
        return False
    figure, axes = _canvas(8, 4)
    width = 0.8 / len(run.setups)
    for place, (name, found) in enumerate(run.setups.items()):
        means = [(found["by_category"].get(key) or {"mean": 0.0})["mean"] for key in keys]
        axes.bar(np.arange(len(keys)) + place * width, means, width, label=name)
    labels = [run.config.get("categories", {}).get(key, key) for key in keys]
    axes.set_xticks(np.arange(len(keys)) + 0.4 - width / 2, labels)
    axes.set_ylabel("F1")
    axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    return _save(figure, file)


def ablation(run: Finished, file: Path) -> bool:
    """F1 as the experts are switched on, stage by stage, beside the paper's L and J on an axis of their own."""
    if not set(STAGES) <= set(run.setups):
        return False
    labels = ["none", "+ extraction", "+ update", "+ generation"]
    figure, (left, right) = _canvas(9, 3.6, columns=2)
    _bars(left, labels, [run.setups[name]["f1"] for name in STAGES])
    left.set(title="here", ylabel="F1")
    for metric, colour in (("L", PALE), ("J", THEIRS)):
        right.plot(labels, [stage[metric] for stage in published()["stages"]], "o-", color=colour, label=metric)
    right.set(title="the paper, Gemma2-2B, its own L and J", ylabel="points")
    right.legend()
    return _save(figure, file)


def sizes(runs: Sequence[Finished], file: Path) -> bool:
    """Score against model size: the paper's J by its judge, ours by ours if there is one; F1 on an axis of its own."""
    mine = [
        (BASE_BILLIONS[run.config["base"]], run)
        for run in runs
        if run.config["dataset"] == "locomo" and MEMLORA in run.setups and run.config["base"] in BASE_BILLIONS
    ]
    if not mine:
        return False
    figure, (left, right) = _canvas(10, 4, columns=2)
    for experts, marker, colour in ((False, "o", PALE), (True, "^", THEIRS)):
        theirs = [s for s in published()["systems"] if s["experts"] is experts]
        label = f"the paper, {'with' if experts else 'without'} experts (judge GPT-OSS-120B)"
        left.scatter([s["billions"] for s in theirs], [s["J"] for s in theirs], marker=marker, c=colour, label=label)
    for size, run in mine:
        for entry in run.judgements:
            if MEMLORA in entry["setups"]:
                label = f"{run.path.name} (judge {entry['judge']}, {entry['strictness']})"
                left.scatter([size], [100 * entry["setups"][MEMLORA]["mean"]], marker="*", s=140, label=label)
        f1 = run.setups[MEMLORA]["f1"]
        errors = [[f1["mean"] - f1["low"]], [f1["high"] - f1["mean"]]]
        right.errorbar([size], [f1["mean"]], yerr=errors, fmt="*", ms=12, capsize=3, label=run.path.name)
    left.set(ylabel="J", title="J: comparable within one judge only")
    right.set(ylabel="F1", title="F1 here (the paper gives none)")
    for axes in (left, right):
        axes.set(xscale="log", xlim=SIZES, xlabel="billions of parameters")
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_formatter("{x:g}")
    left.legend(fontsize=7)
    right.legend(fontsize=7)
    return _save(figure, file)


def costs(run: Finished, file: Path) -> bool:
    """Prompt tokens and seconds of an answer by setup; seconds of a message on its way in by stage."""
    if not run.setups:
        return False
    names = list(run.setups)[::-1]
    spent = [run.setups[name]["cost"] for name in names]
    figure, (tokens, seconds, filling) = _canvas(12, 0.35 * len(names) + 1.6, columns=3)
    tokens.barh(names, [cost["prompt_tokens"] for cost in spent], color=OURS)
    tokens.set_xlabel("prompt tokens an answer")
    seconds.barh(names, [cost["seconds"] for cost in spent], color=OURS)
    seconds.set_xlabel("seconds an answer")
    inward = {name: cost["seconds"] / max(1, cost["turns"]) for name, cost in ingestion_stages(run).items()}
    filling.barh(list(inward)[::-1], list(inward.values())[::-1], color=PALE)
    filling.set_xlabel("seconds a message, by stage")
    return _save(figure, file)


def _bars(axes: Axes, names: Sequence[str], found: Sequence[Mapping[str, float]], *, horizontal: bool = False) -> None:
    means = [value["mean"] for value in found]
    errors = [[v["mean"] - v["low"] for v in found], [v["high"] - v["mean"] for v in found]]
    colours = [OURS if name in (MEMLORA, "+ generation") else PALE for name in names]
    if horizontal:
        axes.barh(names, means, xerr=errors, color=colours, capsize=3)
    else:
        axes.bar(names, means, yerr=errors, color=colours, capsize=3)


def _canvas(width: float, height: float, *, columns: int = 1) -> tuple[Figure, Any]:
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        msg = "matplotlib is not installed. Run `pip install 'langchain-memlora[evaluate]'`."
        raise InvalidInputError(msg) from error
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)  # no window system, no global state
    axes = figure.subplots(1, columns)
    for one in np.atleast_1d(axes):
        one.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _save(figure: Figure, file: Path) -> bool:
    figure.savefig(file, dpi=130, metadata={"Software": None})
    return True
