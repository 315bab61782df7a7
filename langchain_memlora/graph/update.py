"""update: the memory_update expert makes one closed choice for each fact, all facts in one batch."""

from __future__ import annotations

from typing import Any

from langchain_memlora.errors import ExpertOutputError
from langchain_memlora.graph.state import Node, RememberState, Services, emit, timed
from langchain_memlora.types import Failure


def make_update(services: Services) -> Node:
    """Make the node."""

    def update(state: RememberState) -> dict[str, Any]:
        questions, settled = state["questions"], state["settled"]
        asked = [position for position in range(len(questions)) if position not in settled]
        with timed() as clock:
            answered = dict(state.get("answered", {}))
            answers, usage = services.experts.decide([questions[position] for position in asked], answered)
        decisions: list[Any] = [settled.get(position) for position in range(len(questions))]
        failures = []
        for position, answer in zip(asked, answers, strict=True):
            if isinstance(answer, ExpertOutputError):
                failures.append(Failure(state["facts"][position].job_id, type(answer).__name__, str(answer)))
            else:
                decisions[position] = answer
        emit("update", decisions=decisions, questions=questions, usage=clock(usage))
        return {
            "decisions": decisions,
            "undecided": failures,
            "answered": answered,
            "usage": [*state["usage"], clock(usage)],
        }

    return update
