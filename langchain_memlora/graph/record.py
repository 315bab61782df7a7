"""The record node: stores messages in the ledger, durable from here on, and makes jobs of what can be extracted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import NotRequired, TypedDict

from langchain_memlora.graph.state import Node, Services, emit
from langchain_memlora.ledger import Job, Recorded
from langchain_memlora.types import Failure, Operation, Scope, Turn, Usage

SITTING = timedelta(hours=6)


class RecordInput(TypedDict):
    """Keys that `record` reads."""

    scope: Scope
    turns: NotRequired[Sequence[Turn]]
    jobs: NotRequired[Sequence[Job]]


class RecordOutput(TypedDict):
    """Keys that `record` writes: the jobs, and the empty start of what other nodes extend."""

    recorded: Recorded
    stored: list[Turn]
    jobs: list[Job]
    operations: list[Operation]
    failures: list[Failure]
    unread: list[str]
    usage: list[Usage]
    finished: int
    conflicts: int
    uncaptioned: dict[str, Failure]


def make_record(services: Services) -> Node[RecordInput, RecordOutput]:
    """Make the node."""

    def record(state: RecordInput) -> RecordOutput:
        recorded = Recorded()
        if turns := state.get("turns"):
            shown = services.experts.bundle.card.window.context_turns
            recorded = services.ledger.recording.record(state["scope"], turns, cut=cut, context_turns=shown)
        jobs = [*state.get("jobs", ()), *recorded.jobs]
        emit("record", turns=recorded.turns, edited=recorded.edited, skipped=recorded.skipped, jobs=len(jobs))
        return {
            "recorded": recorded,
            "stored": recorded.turns,
            "jobs": jobs,
            "operations": recorded.operations,
            "failures": [],
            "unread": [],
            "usage": [],
            "finished": 0,
            "conflicts": 0,
            "uncaptioned": {},
        }

    def cut(new: Sequence[Turn], before: Sequence[Turn]) -> list[tuple[Sequence[Turn], Sequence[Turn]]]:
        """Return a job, as (context, new turns), for each run of new turns that fits an extraction window."""
        size, context = services.experts.bundle.card.window.new_turns, services.experts.bundle.card.window.context_turns
        everything = [*before, *new]
        starts = range(len(before), len(everything), size)
        parts = [
            (recent(everything[max(0, at - context) : at], everything[at]), everything[at : at + size]) for at in starts
        ]
        return [(shown, part) for shown, part in parts if any(map(is_source, part))]

    def is_source(turn: Turn) -> bool:
        return turn.role in services.sources and bool(turn.text.strip() or turn.images)

    return record


def recent(context: Sequence[Turn], first: Turn) -> list[Turn]:
    """Return the context from the same sitting; days later, "it" no longer points back."""
    return [turn for turn in context if abs(first.observed_at - turn.observed_at) <= SITTING]
