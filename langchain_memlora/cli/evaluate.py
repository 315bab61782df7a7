"""`memlora evaluate`: the quality of a bundle, on data sets of long conversations or one expert at a time."""

from __future__ import annotations

import os
from dataclasses import asdict
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from langchain_memlora.bundles import TEXT_ROLES, Role, load_bundle
from langchain_memlora.cli.output import console
from langchain_memlora.cli.progress import progress_reporter
from langchain_memlora.cli.setting import Setting
from langchain_memlora.errors import InvalidInputError

if TYPE_CHECKING:
    from langchain_memlora.lab.evaluation.conversations import Conversation

DATA = "MEMLORA_DATA"
LOCOMO_FILE, AUDIT = Path("locomo") / "locomo10.json", Path("locomo_audit")
CORRECTIONS = AUDIT / "corrections_by_qa_index.json"


class What(StrEnum):
    """A data set or expert to evaluate."""

    LOCOMO = "locomo"
    LONGMEMEVAL = "longmemeval"
    REALTALK = "realtalk"
    ASSISTANT = "assistant"
    EXTRACTION = "extraction"
    UPDATES = "updates"
    EXCHANGES = "exchanges"
    VQA = "vqa"


def evaluate(
    ctx: typer.Context,
    what: Annotated[What, typer.Argument(metavar="WHAT", help=f"One of {', '.join(What)}.")],
    file: Annotated[
        Path | None,
        typer.Argument(
            help=f"The data. Default: LoCoMo from ${DATA}, assistant and updates from the package; exchanges and vqa "
            "need one."
        ),
    ] = None,
    *,
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder of the run; a stopped run resumes there.")],
    bundle: Annotated[
        str | None,
        typer.Option(help="Bundle to evaluate (vqa: its vision expert; --experts then reads). Default: --experts."),
    ] = None,
    conversations: Annotated[
        str | None,
        typer.Option(metavar="2,3", help="Positions in the file. Default: all; for LoCoMo the test split, 2,3."),
    ] = None,
    sessions: Annotated[
        int | None, typer.Option(min=1, help="Add only the first sessions, and ask only what they answer.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Sample size of questions, windows or cases.")] = None,
    baseline: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Compare with this setup, or with `all`; repeatable.")
    ] = None,
    k: Annotated[int, typer.Option(min=1, help="Maximum number of hits for the reader.")] = 5,
    budget: Annotated[int, typer.Option(min=1, help="Approximate number of tokens of these hits.")] = 250,
    together: Annotated[int, typer.Option(min=1, help="Questions per batch; 1 measures latency.")] = 8,
    adversarial: Annotated[bool, typer.Option("--adversarial", help="LoCoMo: ask category 5 too.")] = False,
    corrected: Annotated[
        bool, typer.Option("--corrected", help="LoCoMo: use the gold answers as corrected by the audit.")
    ] = (False),
    stores: Annotated[
        Path | None, typer.Option(file_okay=False, help="Folder for filled memories. Default: `stores` beside the run.")
    ] = None,
    ingest_only: Annotated[bool, typer.Option("--ingest-only", help="Fill the memories and stop.")] = False,
    judge: Annotated[
        list[str] | None, typer.Option(metavar="PROVIDER:MODEL", help="Also grade with this chat model; repeatable.")
    ] = None,
    audit: Annotated[
        Path | None,
        typer.Option(file_okay=False, help=f"The audit's answers, to calibrate judges. Default: from ${DATA}."),
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False, help="exchanges: score these stored texts (JSONL of id, text, form); no model runs."
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False,
            help="exchanges: compare the measure with hand labels (JSONL of id, text, label); without --predictions, score "
            "their texts.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Random seed of samples and bootstrap.")] = 0,
) -> None:
    """Evaluate a bundle. Filling a memory takes minutes per conversation; it is done once and reused."""
    setting: Setting = ctx.obj
    name = bundle or setting.experts
    if what is What.EXCHANGES:
        _evaluate_exchanges(setting, file, out, name, predictions, labels, limit, seed)
        return
    if predictions or labels:
        msg = f"--predictions and --labels only apply to exchanges, not {what}. Leave them out."
        raise InvalidInputError(msg)
    if what in {What.EXTRACTION, What.UPDATES, What.VQA}:
        _evaluate_expert(setting, what, file, out, name, places_of(conversations), sessions, limit, seed)
        return
    from langchain_memlora.lab.evaluation import Benchmark, ReaderLimits
    from langchain_memlora.lab.evaluation.datasets import DATASETS
    from langchain_memlora.lab.evaluation.setups import MEMLORA, SETUPS

    chosen = [MEMLORA, *(SETUPS if "all" in (baseline or ()) else baseline or ())]
    loaded = _load(what, file, places_of(conversations), sessions, adversarial=adversarial, corrected=corrected)
    with progress_reporter() as watch:
        benchmark = Benchmark(
            DATASETS[what],
            partial(setting.opener, experts=name),
            load_bundle(name),
            out,
            stores or out.resolve().parent / "stores",
            reading=ReaderLimits(k, budget, together),
            seed=seed,
            watch=watch,
        )
        if ingest_only:
            benchmark.ingest(loaded)
            return
        scores = benchmark.run(loaded, chosen, limit=limit)
    for model in judge or ():
        _judge(out, model, audit or _data(AUDIT, "the audit's answers, with --audit"), seed)
    _print_scores(scores, out)


def _evaluate_expert(
    setting: Setting,
    what: What,
    file: Path | None,
    out: Path,
    name: str,
    places: tuple[int, ...] | None,
    sessions: int | None,
    limit: int | None,
    seed: int,
) -> None:
    """Evaluate one expert by itself, in a temporary empty memory."""
    import tempfile

    from langchain_memlora.lab.evaluation import evaluate_extraction, evaluate_updates
    from langchain_memlora.lab.evaluation.datasets.updates import UPDATES, load_update_cases
    from langchain_memlora.lab.evaluation.fingerprint import bundle_sha256, surroundings
    from langchain_memlora.lab.evaluation.metric_embeddings import metric_embeddings
    from langchain_memlora.lab.evaluation.runs import append_lines, write_json
    from langchain_memlora.lab.evaluation.vqa import evaluate_vqa
    from langchain_memlora.lab.training.vision_rows import load_vision_rows

    if what is What.VQA and file is None:
        msg = "vqa needs a file of rows. Pass its path after `vqa`; docs/vision.md shows the format."
        raise InvalidInputError(msg)
    vision_rows = load_vision_rows(file) if what is What.VQA and file else []
    apart = what is What.VQA and name != setting.experts  # one bundle for the vision expert, another for the reader
    opened: dict[str, Any] = {"experts": setting.experts, "vision": name} if apart else {"experts": name}
    with (
        progress_reporter() as watch,
        tempfile.TemporaryDirectory(prefix="memlora-", ignore_cleanup_errors=True) as folder,
        setting.opener(path=Path(folder), **opened) as memory,
    ):
        experts = memory.services.experts
        if what is What.VQA:
            scores, rows = evaluate_vqa(experts, vision_rows, limit=limit, seed=seed, watch=watch)
        elif what is What.UPDATES:
            cases = load_update_cases(file or UPDATES)
            scores, rows = evaluate_updates(experts, cases, limit=limit, seed=seed, watch=watch)
        else:
            loaded = _load(What.ASSISTANT if file and file.suffix == ".jsonl" else What.LOCOMO, file, places, sessions)
            embeddings = metric_embeddings(memory)
            scores, read = evaluate_extraction(experts, loaded, embeddings, limit=limit, seed=seed, watch=watch)
            rows = [asdict(window) for window in read]
    out.mkdir(parents=True, exist_ok=True)
    bundle = load_bundle(name)
    config = {
        "dataset": what.value,
        "file": str(file) if file else None,
        "conversations": places,
        "sessions": sessions,
        "limit": limit,
        "seed": seed,
        "bundle": bundle.card.name,
        "bundle_sha256": bundle_sha256(bundle, tuple(Role) if what is What.VQA else TEXT_ROLES),
        "base": bundle.card.base.name,
        "surroundings": surroundings(),
    }
    if apart:
        config["reader"] = setting.experts
        config["reader_sha256"] = bundle_sha256(load_bundle(setting.experts))
    write_json(out / "config.json", config)
    (out / "rows.jsonl").unlink(missing_ok=True)
    append_lines(out / "rows.jsonl", rows)
    write_json(out / "scores.json", {what.value: scores})
    if what is What.VQA:
        _print_vqa(scores, out)
    else:
        _print_shares(scores, out)


def _evaluate_exchanges(
    setting: Setting,
    file: Path | None,
    out: Path,
    name: str,
    predictions: Path | None,
    labels: Path | None,
    limit: int | None,
    seed: int,
) -> None:
    """Score what a temporary memory, or a file of its texts, holds of single exchanges."""
    import hashlib
    import tempfile

    from langchain_memlora.lab.evaluation.datasets.exchanges import load_exchanges, load_labels, load_stored
    from langchain_memlora.lab.evaluation.exchanges import agreement, draw, evaluate_exchanges, play, write_rejected
    from langchain_memlora.lab.evaluation.fingerprint import bundle_sha256, surroundings
    from langchain_memlora.lab.evaluation.metric_embeddings import metric_embeddings
    from langchain_memlora.lab.evaluation.runs import append_lines, write_json

    if file is None:
        msg = (
            "exchanges needs a file of exchanges. Pass its path after `exchanges`; docs/benchmark.md shows the format."
        )
        raise InvalidInputError(msg)
    everything = load_exchanges(file)
    exchanges = draw(everything, limit, seed)
    read = load_labels(labels) if labels else []
    texts = predictions or labels
    given = load_stored(texts, everything) if texts else None
    with (
        progress_reporter() as watch,
        tempfile.TemporaryDirectory(prefix="memlora-", ignore_cleanup_errors=True) as folder,
        setting.opener(path=Path(folder), experts=name) as memory,
    ):
        stored = play(memory, exchanges, watch) if given is None else given
        scores, rows = evaluate_exchanges(exchanges, stored, metric_embeddings(memory))
    if read:
        drawn = {exchange.id for exchange in exchanges}
        scores["by_hand"] = agreement(rows, [label for label in read if label.id in drawn])
    out.mkdir(parents=True, exist_ok=True)
    bundle = load_bundle(name)
    config = {
        "dataset": What.EXCHANGES.value,
        "file": str(file),
        "predictions": str(texts) if texts else None,
        "limit": limit,
        "seed": seed,
        "bundle": texts.name if texts else bundle.card.name,
        "bundle_sha256": hashlib.sha256(texts.read_bytes()).hexdigest() if texts else bundle_sha256(bundle),
        "base": "texts from a file" if texts else bundle.card.base.name,
        "surroundings": surroundings(),
    }
    write_json(out / "config.json", config)
    (out / "rows.jsonl").unlink(missing_ok=True)
    append_lines(out / "rows.jsonl", rows)
    write_json(out / "scores.json", {What.EXCHANGES.value: scores})
    write_rejected(rows, out)
    _print_shares(scores, out)
    if by_hand := scores.get("by_hand"):
        _print_agreement(by_hand)
    console().print(f"Rejected texts, for reading: {out / 'rejected.md'}")


def _load(
    what: What,
    file: Path | None,
    places: tuple[int, ...] | None,
    sessions: int | None,
    *,
    adversarial: bool = False,
    corrected: bool = False,
) -> list[Conversation]:
    from langchain_memlora.lab.evaluation.datasets import DATASETS
    from langchain_memlora.lab.evaluation.datasets.histories import ASSISTANT

    options: dict[str, Any] = {}
    if what is What.LOCOMO:
        file = file or _data(LOCOMO_FILE, "locomo10.json")
        options = {"adversarial": adversarial}
        if corrected:
            options["corrections"] = _data(CORRECTIONS, "the audit's corrections")
    elif adversarial or corrected:
        msg = f"--adversarial and --corrected only apply to locomo, not {what}. Leave them out."
        raise InvalidInputError(msg)
    if file is None:
        if what is not What.ASSISTANT:
            msg = f"{what} needs a file that you downloaded. Pass its path after `{what}`."
            raise InvalidInputError(msg)
        file = ASSISTANT
    if places:
        options["numbers"] = places
    loaded = DATASETS[what].load(file, **options)
    return [conversation.first_sessions(sessions) for conversation in loaded] if sessions else loaded


def _data(part: Path, what: str) -> Path:
    """Return the path of a part of the folder of development data."""
    if folder := os.environ.get(DATA):
        return Path(folder) / part
    msg = f"{part} was not given. Pass the path of {what}, or set {DATA} to a folder that holds it."
    raise InvalidInputError(msg)


def places_of(text: str | None) -> tuple[int, ...] | None:
    """Parse the positions of `--conversations`."""
    try:
        return tuple(int(part) for part in text.split(",")) if text else None
    except ValueError as error:
        msg = f"--conversations={text!r} is not a list of positions. Pass positions in the file, such as 2,3."
        raise InvalidInputError(msg) from error


def _judge(out: Path, model: str, audit: Path, seed: int) -> None:
    from langchain_memlora.lab.evaluation.calibration import calibrate
    from langchain_memlora.lab.evaluation.judge import PROMPTS, Judge, judge_run, save_judgement

    try:
        from langchain.chat_models import init_chat_model
    except ImportError as error:
        msg = f"Judge {model} needs LangChain. Run `pip install langchain` and the package of its provider."
        raise InvalidInputError(msg) from error
    chat = init_chat_model(model, temperature=0)
    for strictness in PROMPTS:
        grader = Judge(chat, strictness)
        save_judgement(out, model, strictness, judge_run(out, grader, model), calibrate(grader, audit, seed=seed))


def _print_scores(scores: dict[str, Any], out: Path) -> None:
    table = Table("setup", box=None, header_style="dim", pad_edge=False)
    for title in ("questions", "F1", "interval", "evidence@5", "shown", "tokens", "seconds"):
        table.add_column(title, justify="right")
    for name, found in scores["setups"].items():
        f1, evidence, cost = found["f1"], found["evidence"], found["cost"]
        table.add_row(
            name,
            str(f1["n"]) if f1 else "-",
            f"{f1['mean']:.3f}" if f1 else "-",
            f"{f1['low']:.3f} to {f1['high']:.3f}" if f1 else "-",
            f"{evidence['any']['5']['mean']:.3f}" if evidence else "-",
            f"{evidence['shown']['mean']:.3f}" if evidence else "-",
            f"{cost['prompt_tokens']:.0f}",
            f"{cost['seconds']:.2f}",
        )
    console().print(table)
    console().print(f"All scores: {out / 'scores.json'}. Tables, plots and J: memlora report {out} --out FOLDER")


def _print_vqa(scores: dict[str, Any], out: Path) -> None:
    kinds = scores["by_kind"]
    table = Table("accuracy", box=None, header_style="dim", pad_edge=False)
    for kind in ("all", *next(iter(kinds.values()))):
        table.add_column(kind or "no kind", justify="right")
    for way, whole in scores["accuracy"].items():
        table.add_row(way, *(f"{share['mean']:.3f}" for share in (whole, *kinds[way].values())))
    console().print(table)
    console().print(f"All scores, with intervals: {out / 'scores.json'}")


def _print_agreement(found: dict[str, Any]) -> None:
    share, kappa = found["agreement"], found["kappa"]
    console().print(
        f"The measure and {share['n']} hand labels agree on {share['mean']:.3f} [{share['low']:.3f}, {share['high']:.3f}], "
        f"kappa {'-' if kappa is None else f'{kappa:.3f}'}; right by hand {found['right_by_hand']:.3f}, by the measure "
        f"{found['right_by_measure']:.3f}."
    )
    names = sorted({name for row in found["confusion"].values() for name in row})
    table = Table("hand label", box=None, header_style="dim", pad_edge=False)
    for name in names:
        table.add_column(name, justify="right")
    for label, row in found["confusion"].items():
        table.add_row(label, *(str(row.get(name, 0)) for name in names))
    console().print(table)
    if found["unmatched"]:
        console().print(f"{found['unmatched']} labels are of texts that were not stored.")


def _print_shares(scores: dict[str, Any], out: Path) -> None:
    table = Table("what", "value", box=None, header_style="dim", pad_edge=False)
    for name, value in scores.items():
        share = value.get("mean") if isinstance(value, dict) else value
        if isinstance(share, int | float):
            table.add_row(name.replace("_", " "), f"{share:.3f}" if isinstance(share, float) else str(share))
    console().print(table)
    console().print(f"All scores: {out / 'scores.json'}")
