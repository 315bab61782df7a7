"""The update node: the memory_update expert makes one closed choice for each fact, all facts in one batch."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from langchain_memlora.errors import ExpertOutputError
from langchain_memlora.experts import UpdateQuestion
from langchain_memlora.graph.state import Answered, Node, PendingFact, Services, emit, timed
from langchain_memlora.types import Decision, Failure, Usage


class UpdateInput(TypedDict):
    """Keys that `update` reads."""

    facts: list[PendingFact]
    questions: list[UpdateQuestion]
    settled: dict[int, Decision]
    answered: NotRequired[Answered]
    usage: list[Usage]


class UpdateOutput(TypedDict):
    """Keys that `update` writes. A decision is `None` if the expert's output can't be read."""

    decisions: list[Decision | None]
    undecided: list[Failure]
    answered: Answered
    usage: list[Usage]


def make_update(services: Services) -> Node[UpdateInput, UpdateOutput]:
    """Make the node."""

    def update(state: UpdateInput) -> UpdateOutput:
        questions, settled = state["questions"], state["settled"]
        open_positions = [position for position in range(len(questions)) if position not in settled]
        with timed() as clock:
            outcomes, usage, answered = services.experts.decide(
                [questions[position] for position in open_positions], state.get("answered", {})
            )
        decisions: list[Decision | None] = [settled.get(position) for position in range(len(questions))]
        failures = []
        for position, outcome in zip(open_positions, outcomes, strict=True):
            if isinstance(outcome, ExpertOutputError):
                failures.append(Failure(state["facts"][position].job_id, type(outcome).__name__, str(outcome)))
            else:
                decisions[position] = outcome
        emit("update", decisions=decisions, questions=questions, usage=clock(usage))
        return {
            "decisions": decisions,
            "undecided": failures,
            "answered": answered,
            "usage": [*state["usage"], clock(usage)],
        }

    return update
