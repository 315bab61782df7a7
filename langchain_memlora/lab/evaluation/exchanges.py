"""Evaluates what a memory stores of single exchanges, by the strict measure (see `metrics/strict.py`)."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_memlora.errors import InvalidInputError
from langchain_memlora.intake.messages import to_turns
from langchain_memlora.lab.evaluation.benchmark import Watch, no_progress
from langchain_memlora.lab.evaluation.datasets.exchanges import Exchange, HandLabel, Stored
from langchain_memlora.lab.evaluation.metrics.facts import THRESHOLD
from langchain_memlora.lab.evaluation.metrics.strict import Coverage, Label, assess, coverage, is_quotation
from langchain_memlora.lab.evaluation.report.pages import Grid, Part, Text, to_markdown
from langchain_memlora.lab.evaluation.runs import write_json
from langchain_memlora.lab.evaluation.statistics import cohen_kappa, wilson
from langchain_memlora.types import FORGET_PREFIX, Scope

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings

    from langchain_memlora.memory.memory import MemLoRAMemory

NOW = datetime(2025, 1, 1, 9, tzinfo=UTC)
WRONG_FORGET = "wrong forget"
NOTE = (
    "These texts are not right by the strict measure. It compares words: a good paraphrase can be listed here, and a wrong "
    "relation can be missing. Quotations count as right if they cover a stated fact; whether each can be understood alone is "
    "not checked. Labels of readers decide."
)


def draw(exchanges: Sequence[Exchange], limit: int | None, seed: int = 0) -> list[Exchange]:
    """Return a random sample of the exchanges, in order; all without a limit."""
    size = min(limit or len(exchanges), len(exchanges))
    return [exchanges[place] for place in sorted(random.Random(seed).sample(range(len(exchanges)), size))]


def play(memory: MemLoRAMemory, exchanges: Sequence[Exchange], watch: Watch = no_progress) -> dict[str, Stored]:
    """Add each exchange to a memory, as a user of its own, and return what was stored.

    The context is added first to the same thread, as turns that were already read.
    """
    stored: dict[str, Stored] = {}
    for exchange in exchanges:
        if exchange.context:
            scope = Scope(exchange.id)
            turns = to_turns([*exchange.context], scope, observed_at=NOW, thread_id=exchange.id).turns
            memory.ledger.append(scope, turns, lambda new, before: [])
        result = memory.add([*exchange.new], user_id=exchange.id, thread_id=exchange.id, observed_at=NOW)
        forgets = [operation for operation in result.operations if operation.fact.startswith(FORGET_PREFIX)]
        stored[exchange.id] = Stored(
            [(memory.text, memory.form) for memory in memory.get_all(user_id=exchange.id)],
            [(operation.fact.removeprefix(FORGET_PREFIX), None) for operation in forgets],
            failed=bool(result.errors),
        )
        watch("adding exchanges", len(stored), len(exchanges))
    return stored


def evaluate_exchanges(
    exchanges: Sequence[Exchange],
    stored: Mapping[str, Stored],
    embeddings: Embeddings,
    threshold: float = THRESHOLD,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Score what was stored of exchanges by the strict measure.

    Returns:
        Over all and by kind, with intervals: `right`, the share of stored texts; `found` and `found_or_partly`, shares of
        stated facts; `silent`, the share of exchanges without facts of which nothing was stored; `wrong_forgets`, the share of
        exchanges with a request to forget that nothing asked for; `repeats`; and counts. And each exchange with its
        texts, facts and requests to forget.
    """
    rows = [_row(exchange, stored.get(exchange.id, Stored()), embeddings, threshold) for exchange in exchanges]
    kinds = sorted({exchange.kind for exchange in exchanges})
    by_kind = {kind or "no kind": _shares([row for row in rows if row["kind"] == kind]) for kind in kinds}
    return {**_shares(rows), "threshold": threshold, "by_kind": by_kind}, rows


def rejected(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the texts that are not right and the wrong requests to forget, each with its exchange, for reading."""
    return [
        {
            "id": row["id"],
            "kind": row["kind"],
            **text,
            "said": row["said"],
            "context": row["context"],
            "facts": [fact["text"] for fact in row["facts"]],
            "forget": row["forget"],
        }
        for row in rows
        for text in (*row["texts"], *row["forgets"])
        if text["label"] != Label.RIGHT
    ]


def agreement(rows: Sequence[Mapping[str, Any]], labels: Sequence[HandLabel]) -> dict[str, Any]:
    """Compare the measure with hand labels, as right or not right.

    Returns:
        `agreement` with its interval, Cohen's `kappa`, the share of right texts by each, `confusion` as hand label ->
        label of the measure -> count, and the number of `unmatched` labels, whose text was not stored.

    Raises:
        InvalidInputError: No label is of a stored text.
    """
    waiting: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        for text in (*row["texts"], *row["forgets"]):
            waiting.setdefault((row["id"], text["text"]), []).append(text["label"])
    pairs = [(label.label, found.pop(0)) for label in labels if (found := waiting.get((label.id, label.text), []))]
    if not pairs:
        msg = f"None of {len(labels)} labels is of a stored text. Pass labels of these texts, with the same ids."
        raise InvalidInputError(msg)
    hand, measure = (
        ["right" if label == Label.RIGHT else "not right" for label in side] for side in zip(*pairs, strict=True)
    )
    confusion = Counter(pairs)
    same = wilson(sum(a == b for a, b in zip(hand, measure, strict=True)), len(pairs))
    return {
        "agreement": same and same.as_dict(),
        "kappa": cohen_kappa(hand, measure),
        "right_by_hand": hand.count("right") / len(pairs),
        "right_by_measure": measure.count("right") / len(pairs),
        "confusion": {
            label: {other: count for (one, other), count in sorted(confusion.items()) if one == label}
            for label in sorted({label for label, _ in pairs})
        },
        "unmatched": len(labels) - len(pairs),
    }


def write_rejected(rows: Sequence[Mapping[str, Any]], out: Path) -> list[Path]:
    """Write the rejected texts for reading, as `rejected.json` and `rejected.md`."""
    found = rejected(rows)
    write_json(out / "rejected.json", found)
    (out / "rejected.md").write_text(to_markdown([*_pages(found)]), encoding="utf-8")
    return [out / "rejected.json", out / "rejected.md"]


def _pages(found: Sequence[Mapping[str, Any]]) -> Iterator[Part]:
    yield Text(f"Rejected texts ({len(found)})", "h1")
    yield Text(NOTE)
    for label, count in Counter(text["label"] for text in found).most_common():
        yield Text(f"{label} ({count})", "h2")
        yield Grid(
            ["exchange", "stored", "differing", "stated facts", "the user said"],
            [
                [
                    f"{text['id']} {text['kind']}".strip(),
                    _one_line(text["text"]),
                    ", ".join(text["differing"]),
                    "; ".join([*text["facts"], *(FORGET_PREFIX + one for one in text["forget"])]) or "-",
                    _one_line(text["said"]),
                ]
                for text in found
                if text["label"] == label
            ],
            words=True,
        )


def _one_line(text: str, longest: int = 400) -> str:
    line = " ".join(text.split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def _row(exchange: Exchange, stored: Stored, embeddings: Embeddings, threshold: float) -> dict[str, Any]:
    source = exchange.source
    verdicts = assess(embeddings, stored.texts, exchange.facts, source, threshold)
    asked = assess(embeddings, stored.forgets, exchange.forget, source, threshold)
    # A request is a paraphrase of what it names, so a part of its words is enough.
    granted = [bool(verdict.whole or verdict.parts) for verdict in asked]
    return {
        "id": exchange.id,
        "kind": exchange.kind,
        "said": source.said,
        "context": [message["content"] for message in exchange.context],
        "failed": stored.failed,
        "forget": list(exchange.forget),
        "facts": [
            {"text": fact, "coverage": str(part)}
            for fact, part in zip(exchange.facts, coverage(verdicts, len(exchange.facts)), strict=True)
        ],
        "texts": [
            {
                "text": text,
                "quotation": is_quotation(text, form),
                "label": str(verdict.label),
                "differing": list(verdict.differing),
            }
            for (text, form), verdict in zip(stored.texts, verdicts, strict=True)
        ],
        "forgets": [
            {
                "text": FORGET_PREFIX + text,
                "quotation": is_quotation(text, form),
                "label": str(Label.RIGHT) if right else WRONG_FORGET,
                "differing": list(verdict.differing),
            }
            for (text, form), verdict, right in zip(stored.forgets, asked, granted, strict=True)
        ],
        "forgotten": sum(part is not Coverage.MISSED for part in coverage(asked, len(exchange.forget))),
    }


def _shares(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    texts = [text for row in rows for text in row["texts"]]
    labels = Counter(text["label"] for text in texts)
    facts = Counter(fact["coverage"] for row in rows for fact in row["facts"])
    quiet = [not row["texts"] for row in rows if not row["facts"]]
    mistaken = [any(forget["label"] == WRONG_FORGET for forget in row["forgets"]) for row in rows]
    found, stated = facts[Coverage.FOUND], facts.total()

    def right(quotations: bool) -> dict[str, Any] | None:
        return _share(text["label"] == Label.RIGHT for text in texts if text["quotation"] is quotations)

    return {
        "exchanges": len(rows),
        "right": _share(text["label"] == Label.RIGHT for text in texts),
        "right_quotations": right(True),
        "right_sentences": right(False),
        "repeats": _share(text["label"] == Label.REPEAT for text in texts),
        "found": _wilson(found, stated),
        "found_or_partly": _wilson(found + facts[Coverage.PARTLY], stated),
        "silent": _share(quiet),
        "wrong_forgets": _share(mistaken),
        "forgotten": _wilson(sum(row["forgotten"] for row in rows), sum(len(row["forget"]) for row in rows)),
        "failed": sum(row["failed"] for row in rows),
        "labels": {str(label): labels[label] for label in Label},
        "coverage": {str(part): facts[part] for part in Coverage},
    }


def _share(values: Iterable[bool]) -> dict[str, Any] | None:
    values = list(values)
    return _wilson(sum(values), len(values))


def _wilson(part: int, whole: int) -> dict[str, Any] | None:
    share = wilson(part, whole)
    return share.as_dict() if share else None
