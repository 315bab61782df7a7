"""`write_report`: one or more runs as a Markdown and an HTML page with plots."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from langchain_memlora.errors import InvalidInputError
from langchain_memlora.lab.evaluation.report import plots, tables
from langchain_memlora.lab.evaluation.report.finished import Finished, published, read_run
from langchain_memlora.lab.evaluation.report.pages import Grid, Part, Picture, Text, to_html, to_markdown

__all__ = ["Finished", "Part", "describe", "read_run", "to_markdown", "write_report"]

TABLES: tuple[tuple[str, Callable[[Finished], Grid]], ...] = (
    ("Answers", tables.answers),
    ("By category (F1)", tables.categories),
    ("Evidence, for questions that have an answer", tables.evidence),
    ("Against the memory, question by question, those without an answer included", tables.comparisons),
    ("Abstentions and stale answers", tables.abstention),
    ("Tokens and seconds", tables.costs),
)
PLOTS: tuple[tuple[str, str, Callable[[Finished, Path], bool]], ...] = (
    ("scores", "F1 with 95 % intervals", plots.scores),
    ("categories", "F1 by category", plots.categories),
    ("ablation", "Experts switched on stage by stage", plots.ablation),
    ("costs", "Tokens and seconds", plots.costs),
)


def write_report(runs: Sequence[Path], out: Path) -> list[Path]:
    """Write `report.md`, `report.html` and the plots.

    Args:
        runs: Folders of finished runs.

    Returns:
        The written files.

    Raises:
        InvalidInputError: A run has no scores, two share a name, or matplotlib is not installed.
    """
    finished = [read_run(path) for path in runs]
    names = [run.path.resolve().name for run in finished]
    if len(set(names)) < len(names):
        msg = f"Runs {', '.join(names)} share a name, which their plots are named after. Rename one."
        raise InvalidInputError(msg)
    out.mkdir(parents=True, exist_ok=True)
    parts: list[Part] = [Text("Benchmark", "h1")]
    for run in finished:
        parts += [*describe(run), *_drawn(run, out)]
    parts += _paper(finished, out)
    pages = {"report.md": to_markdown(parts), "report.html": to_html(parts)}
    for name, page in pages.items():
        (out / name).write_text(page, encoding="utf-8")
    return [out / name for name in (*pages, *(part.file for part in parts if isinstance(part, Picture)))]


def describe(run: Finished) -> Iterator[Part]:
    """Yield the settings and scores of a run, as tables."""
    yield Text(run.title, "h2")
    yield Text(_circumstances(run))
    if run.setups:
        yield tables.setups(list(run.setups))
        for title, make in TABLES:
            table = make(run)
            if table.rows:
                yield Text(f"{title}.")
                yield table
    if run.judgements:
        yield Text("J, and the share of answers known to be right, wrong or vaguely wrong that the judge passes.")
        yield tables.judgements(run)
    if found := run.scores.get("extraction"):
        yield Text("Extraction against annotated facts: one-to-one matches by sentence similarity.")
        yield tables.extraction(found)
    if found := run.scores.get("exchanges"):
        yield Text("What is stored of single exchanges, by the strict measure.")
        yield tables.exchanges(found)
    if found := run.scores.get("updates"):
        share = tables.number(found["false_destructive"])
        yield Text(
            f"Update decisions on labelled cases. Share of ADD and NONE cases decided UPDATE or DELETE: {share}."
        )
        yield tables.kinds(found)
        yield tables.decisions(found)
    if found := run.scores.get("vqa"):
        yield Text(f"Questions about pictures, answered right. Between the first two ways: p = {found['p']:.2g}.")
        yield tables.vision_answers(found)


def _drawn(run: Finished, out: Path) -> Iterator[Part]:
    """Yield the plots that have data."""
    for name, caption, draw in PLOTS:
        file = f"{run.path.resolve().name}-{name}.png"
        if run.setups and draw(run, out / file):
            yield Picture(file, caption)


def _circumstances(run: Finished) -> str:
    config = run.config
    where = config["surroundings"]
    reading = config.get("reading")
    read = f" The reader gets at most {reading['k']} hits in about {reading['budget']} tokens." if reading else ""
    drawn = f" {config['limit']} drawn with seed {config['seed']}." if config.get("limit") else ""
    return (
        f"Bundle {config['bundle']} (sha256 {config['bundle_sha256'][:12]}) on {config['base']}, version "
        f"{where['langchain-memlora']}, {where['machine']}.{read}{drawn}"
    )


def _paper(runs: Sequence[Finished], out: Path) -> Iterator[Part]:
    """Yield the paper's numbers if a run is on LoCoMo."""
    if not any(run.config["dataset"] == "locomo" for run in runs):
        return
    yield Text("What the paper reports", "h2")
    yield Text(f"{published()['source']}. {published()['note']}")
    yield tables.paper()
    if plots.sizes(runs, out / "sizes.png"):
        yield Picture("sizes.png", "Score against model size; the paper's judge is not ours")
