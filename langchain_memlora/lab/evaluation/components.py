"""Evaluates one expert alone, in minutes: extraction on annotated windows, memory_update on labelled cases."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from langchain_memlora.errors import ExpertOutputError
from langchain_memlora.experts import Experts, UpdateQuestion
from langchain_memlora.lab.evaluation.benchmark import Watch, no_progress
from langchain_memlora.lab.evaluation.conversations import Conversation
from langchain_memlora.lab.evaluation.datasets.updates import UpdateCase
from langchain_memlora.lab.evaluation.metrics.decisions import score_decisions
from langchain_memlora.lab.evaluation.metrics.facts import ReadWindow, score_extraction
from langchain_memlora.lab.evaluation.statistics import wilson
from langchain_memlora.lab.evaluation.windows import cut_conversation, read_windows
from langchain_memlora.types import Event, Fact, Memory, Scope, Usage

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings

GROUP = 16
NOW = datetime(2025, 1, 1, tzinfo=UTC)


def evaluate_extraction(
    experts: Experts,
    conversations: Sequence[Conversation],
    embeddings: Embeddings,
    *,
    limit: int | None = None,
    seed: int = 0,
    watch: Watch = no_progress,
) -> tuple[dict[str, Any], list[ReadWindow]]:
    """Score the extraction expert on the windows of conversations with annotated facts.

    Args:
        limit: Read only this many windows, sampled with the seed.

    Returns:
        Scores with their cost, and the facts read in each window.
    """
    cut = [
        (conversation, window) for conversation in conversations for window in cut_conversation(conversation, experts)
    ]
    places = sorted(random.Random(seed).sample(range(len(cut)), min(limit or len(cut), len(cut))))
    read: list[ReadWindow] = []
    usage: list[Usage] = []
    start = time.perf_counter()

    def count(windows: int) -> None:
        watch("extracting", min(len(places), len(read) + windows), len(places))

    for conversation in conversations:
        mine = [cut[place][1] for place in places if cut[place][0] is conversation]
        found, cost = read_windows(experts, conversation, mine, count)
        read, usage = read + found, usage + cost
    scores = {**score_extraction(embeddings, read), "cost": _cost(usage, len(read), time.perf_counter() - start)}
    return scores, read


def evaluate_updates(
    experts: Experts,
    cases: Sequence[UpdateCase],
    *,
    limit: int | None = None,
    seed: int = 0,
    watch: Watch = no_progress,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Score the memory_update expert on labelled cases, with the confidence threshold of its bundle.

    Returns:
        Scores over all and by kind of case, and each case with its decision.
    """
    drawn = sorted(random.Random(seed).sample(range(len(cases)), min(limit or len(cases), len(cases))))
    chosen = [cases[place] for place in drawn]
    rows: list[dict[str, Any]] = []
    usage: list[Usage] = []
    start = time.perf_counter()
    for first in range(0, len(chosen), GROUP):
        group = chosen[first : first + GROUP]
        decisions, cost, _ = experts.decide([_as_question(case) for case in group])
        usage.append(cost)
        for case, decision in zip(group, decisions, strict=True):
            read = None if isinstance(decision, ExpertOutputError) else decision
            rows.append(
                {
                    **asdict(case),
                    "expected": _expected(case),
                    "decision": read and read.event,
                    "probability": read and round(read.probability, 4),
                }
            )
        watch("deciding", len(rows), len(chosen))
    return score_update_rows(rows, _cost(usage, len(rows), time.perf_counter() - start)), rows


def score_update_rows(rows: Sequence[dict[str, Any]], cost: dict[str, Any]) -> dict[str, Any]:
    """Score decided cases, over all of them and by kind."""

    def score(given: Sequence[dict[str, Any]]) -> dict[str, Any]:
        pairs = [(Event(r["expected"]), Event(r["decision"]) if r["decision"] else None) for r in given]
        right = wilson(sum(label == said for label, said in pairs), len(pairs))
        return {**score_decisions(pairs), "accuracy": right.as_dict() if right else None}

    kinds = sorted({row["kind"] for row in rows})
    by_kind = {kind: score([row for row in rows if row["kind"] == kind])["accuracy"] for kind in kinds}
    return {**score(rows), "by_kind": by_kind, "cost": cost}


def _expected(case: UpdateCase) -> Event:
    """Return the label; a request to forget that is about something else is expected to do nothing, not to be added."""
    return Event.NONE if case.retracts and case.label is Event.ADD else case.label


def _as_question(case: UpdateCase) -> UpdateQuestion:
    memory = Memory(f"{case.id}-memory", case.memory, Scope("evaluation"), NOW, NOW, NOW)
    return UpdateQuestion(Fact(case.fact, case.id, NOW, case.retracts), (memory,))


def _cost(usage: Sequence[Usage], calls: int, seconds: float) -> dict[str, Any]:
    return {
        "calls": calls,
        "prompt_tokens": sum(u.prompt_tokens for u in usage) / max(1, calls),
        "completion_tokens": sum(u.completion_tokens for u in usage) / max(1, calls),
        "seconds": seconds / max(1, calls),
    }
