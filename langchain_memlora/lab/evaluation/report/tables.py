"""The tables of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_memlora.lab.evaluation.report.finished import Finished, published
from langchain_memlora.lab.evaluation.report.pages import Grid
from langchain_memlora.lab.evaluation.setups import SETUPS
from langchain_memlora.types import Event

NONE = "-"
ANSWER_METRICS = {
    "f1": "F1",
    "exact_match": "exact match",
    "bleu1": "BLEU-1",
    "rouge1": "ROUGE-1",
    "similarity": "similarity",
}


def number(value: float | Mapping[str, float] | None, digits: int = 3) -> str:
    """Format a number, or the mean of an estimate."""
    mean = value["mean"] if isinstance(value, Mapping) else value
    return NONE if mean is None else f"{mean:.{digits}f}"


def interval(value: Mapping[str, float] | None) -> str:
    """Format a mean with its interval."""
    return NONE if value is None else f"{value['mean']:.3f} [{value['low']:.3f}, {value['high']:.3f}]"


def p_value(value: float | None) -> str:
    """Format a p-value with four digits; smaller ones as a bound."""
    return "<0.0001" if value is not None and value < 0.0001 else number(value, 4)


def answers(run: Finished) -> Grid:
    """Each setup's answers by every metric."""
    head = ["setup", "questions", "F1 [95 %]", *list(ANSWER_METRICS.values())[1:]]
    rows = [
        [name, str((s["f1"] or {}).get("n", 0)), interval(s["f1"]), *(number(s[m]) for m in list(ANSWER_METRICS)[1:])]
        for name, s in run.setups.items()
    ]
    return Grid(head, rows)


def categories(run: Finished) -> Grid:
    """F1 by category, with how many questions each has."""
    names = run.config.get("categories", {})
    keys = sorted({key for s in run.setups.values() for key in s["by_category"]})
    count = {
        key: next(s["by_category"][key]["n"] for s in run.setups.values() if key in s["by_category"]) for key in keys
    }
    head = [
        "setup",
        *(f"{key} {names[key]} ({count[key]})" if key in names else f"{key} ({count[key]})" for key in keys),
    ]
    rows = [[name, *(number(s["by_category"].get(key)) for key in keys)] for name, s in run.setups.items()]
    return Grid(head, rows)


def evidence(run: Finished) -> Grid:
    """Shares of questions with evidence found and shown, and the F1 with and without it."""
    head = ["setup", "any@5", "any@10", "any@20", "all@5", "shown", "all shown", "F1 if shown", "F1 if not"]
    rows = []
    for name, scores in run.setups.items():
        if found := scores["evidence"]:
            any_, all_ = found["any"], found["all"]
            rest = (found[key] for key in ("shown", "all_shown", "f1_if_shown", "f1_if_not_shown"))
            rows.append([name, *(number(v) for v in (any_["5"], any_["10"], any_["20"], all_["5"], *rest))])
    return Grid(head, rows)


def comparisons(run: Finished) -> Grid:
    """The memory against each other setup, question by question."""
    head = ["memlora minus ...", "F1 [95 %]", "p", "evidence@5 [95 %]", "p (McNemar)"]
    rows = [
        [
            name,
            interval(found["f1"]),
            p_value(found["f1"] and found["f1"]["p"]),
            interval(found["evidence"]),
            p_value(found["evidence"] and found["evidence"]["mcnemar_p"]),
        ]
        for name, found in run.scores.get("against", {}).items()
    ]
    return Grid(head, rows)


def abstention(run: Finished) -> Grid:
    """Right and wrong abstentions, and stale answers."""
    head = ["setup", "unknown where it is right", "unknown where it is wrong", "stale answers"]
    keys = ("abstained_rightly", "abstained_wrongly", "stale")
    return Grid(head, [[name, *(interval(s[key]) for key in keys)] for name, s in run.setups.items()])


def costs(run: Finished) -> Grid:
    """Tokens and seconds: of an answer by setup, and of a message on its way in by stage."""
    head = ["stage", "prompt tokens", "written tokens", "seconds"]
    rows = [
        [f"answer, {name}", *(number(s["cost"][key], 2) for key in ("prompt_tokens", "completion_tokens", "seconds"))]
        for name, s in run.setups.items()
    ]
    for stage, cost in ingestion_stages(run).items():
        calls = cost["calls"] or cost["turns"]
        unit = "call" if cost["calls"] else "message"
        keys = ("prompt_tokens", "completion_tokens", "seconds")
        rows.append([f"{stage}, a {unit}", *(number(cost[key] / max(1, calls), 2) for key in keys)])
    return Grid(head, rows)


def ingestion_stages(run: Finished) -> dict[str, dict[str, float]]:
    """Sum the cost of each ingestion stage over all conversations, with the number of messages."""
    sums: dict[str, dict[str, float]] = {}
    for conversation in run.scores.get("ingestion", {}).values():
        for stage, cost in conversation["stages"].items():
            total = sums.setdefault(stage, {"turns": 0})
            total["turns"] += conversation["turns"]
            for key, value in cost.items():
                total[key] = total.get(key, 0) + value
    return sums


def extraction(scores: Mapping[str, Any]) -> Grid:
    """Extracted facts against annotated ones."""
    shares = ("precision", "recall", "f1", "rejected_empty", "right_speaker", "valid_output")
    counts = ("windows", "windows_with_facts", "facts_annotated", "facts_extracted")
    rows = [[key.replace("_", " "), number(scores[key])] for key in shares]
    rows += [[key.replace("_", " "), str(scores[key])] for key in counts]
    return Grid(["extraction", f"at similarity {scores['threshold']}"], rows)


def exchanges(scores: Mapping[str, Any]) -> Grid:
    """Stored texts, facts and silence of exchanges, over all and by kind."""
    head = [
        "kind of exchange",
        "exchanges",
        "texts",
        "right [95 %]",
        "facts",
        "found [95 %]",
        "or partly",
        "silent [95 %]",
    ]
    rows = [
        [
            kind,
            str(found["exchanges"]),
            str(sum(found["labels"].values())),
            interval(found["right"]),
            str(sum(found["coverage"].values())),
            interval(found["found"]),
            number(found["found_or_partly"]),
            interval(found["silent"]),
        ]
        for kind, found in {"all": scores, **scores["by_kind"]}.items()
    ]
    return Grid(head, rows)


def decisions(scores: Mapping[str, Any]) -> Grid:
    """The confusion matrix of the update expert."""
    said = sorted({name for row in scores["confusion"].values() for name in row} | {str(event) for event in Event})
    rows = [[label, *(str(row.get(name, 0)) for name in said)] for label, row in scores["confusion"].items()]
    return Grid(["label, then decided", *said], rows)


def vision_answers(found: Mapping[str, Any]) -> Grid:
    """Accuracy of each way to answer questions about pictures, over all and by kind."""
    kinds = list(next(iter(found["by_kind"].values())))
    rows = [
        [way, interval(whole), *(interval(found["by_kind"][way][kind]) for kind in kinds)]
        for way, whole in found["accuracy"].items()
    ]
    return Grid(["way", "all", *(kind or "no kind" for kind in kinds)], rows)


def kinds(scores: Mapping[str, Any]) -> Grid:
    """Update accuracy by kind of case."""
    rows = [["all", interval(scores["accuracy"]), str(scores["cases"])]]
    rows += [[kind, interval(found), str(found["n"])] for kind, found in scores["by_kind"].items()]
    return Grid(["kind of case", "right [95 %]", "cases"], rows)


def judgements(run: Finished) -> Grid:
    """J of each judge, with the share of known right and wrong answers that it passes."""
    probes = list(dict.fromkeys(kind for entry in run.judgements for kind in entry["calibration"]))
    head = ["judge", "setup", "J [95 %]", *(f"passes of: {kind}" for kind in probes)]
    rows = [
        [f"{e['judge']}, {e['strictness']}", name, interval(j), *(number(e["calibration"].get(p)) for p in probes)]
        for e in run.judgements
        for name, j in e["setups"].items()
    ]
    return Grid(head, rows)


def paper() -> Grid:
    """The paper's systems as published."""
    rows = [
        [
            system["name"] + (" + experts" if system["experts"] else ""),
            str(system["billions"]),
            system["teacher"] or NONE,
            number(system["L"], 1),
            number(system["J"], 1),
        ]
        for system in published()["systems"]
    ]
    return Grid(["the paper's system", "billions", "teacher", "L", "J (GPT-OSS-120B)"], rows)


def setups(names: Sequence[str] = tuple(SETUPS)) -> Grid:
    """Description of each setup."""
    return Grid(["setup", "what is read, and by whom"], [[name, SETUPS[name].sentence] for name in names], words=True)
