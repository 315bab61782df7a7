"""record: new turns go into the ledger, and are durable from here on. What can be read out of them becomes jobs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from langchain_memlora.graph.state import Node, RememberState, Services, emit
from langchain_memlora.types import Turn

SITTING = timedelta(hours=6)


def make_record(services: Services) -> Node:
    """Make the node."""

    def record(state: RememberState) -> dict[str, Any]:
        jobs = list(state.get("jobs", ()))
        stored: list[Turn] = []
        if state.get("turns"):
            shown = services.experts.bundle.card.window.context_turns
            stored, made = services.ledger.append(state["scope"], state["turns"], cut, context_turns=shown)
            jobs += made
        emit("record", turns=stored, jobs=len(jobs))
        blank: dict[str, Any] = {
            "operations": [],
            "failures": [],
            "usage": [],
            "finished": 0,
            "conflicts": 0,
            "unseen": {},
        }
        return {**blank, "stored": stored, "jobs": jobs}

    def cut(new: Sequence[Turn], before: Sequence[Turn]) -> list[tuple[Sequence[Turn], Sequence[Turn]]]:
        """One job for each run of new turns that an extraction window can hold."""
        size, context = services.experts.bundle.card.window.new_turns, services.experts.bundle.card.window.context_turns
        everything = [*before, *new]
        starts = range(len(before), len(everything), size)
        parts = [
            (_recent(everything[max(0, at - context) : at], everything[at]), everything[at : at + size])
            for at in starts
        ]
        return [(c, part) for c, part in parts if any(map(tells, part))]

    def tells(turn: Turn) -> bool:
        return turn.role in services.sources and bool(turn.text.strip() or turn.images)

    return record


def _recent(context: Sequence[Turn], first: Turn) -> list[Turn]:
    """What was said in the same sitting; days later, "it" no longer points back."""
    return [turn for turn in context if abs(first.observed_at - turn.observed_at) <= SITTING]
