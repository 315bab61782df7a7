"""The update node: the memory_update expert makes one closed choice for each fact, all facts in one batch.

If that changes a quotation of several clauses, the same question about each clause, in a second batch, tells which.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NotRequired, TypedDict

from langchain_memlora.errors import ExpertOutputError
from langchain_memlora.experts import UpdateQuestion
from langchain_memlora.experts.usage import plus
from langchain_memlora.graph.later_requests import find_later_requests
from langchain_memlora.graph.split import Part, Quotation, cut_quotation
from langchain_memlora.graph.state import Answered, Node, PendingFact, Services, emit, timed
from langchain_memlora.ledger import Closed
from langchain_memlora.types import Decision, Event, Failure, Scope, Usage


class UpdateInput(TypedDict):
    """Keys that `update` reads."""

    scope: Scope
    facts: list[PendingFact]
    questions: list[UpdateQuestion]
    settled: dict[int, Decision]
    answered: NotRequired[Answered]
    again: NotRequired[bool]
    usage: list[Usage]


class UpdateOutput(TypedDict):
    """Keys that `update` writes.

    Attributes:
        decisions: `None` where the expert's output can't be read.
        parts: By position, the part of its target that a decision is about, if it is not all of it.
        forgotten: By position, the request to forget that names a fact and was observed after it.
    """

    decisions: list[Decision | None]
    parts: dict[int, Part]
    forgotten: dict[int, Closed]
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
            found: dict[int, Decision | ExpertOutputError] = {
                **settled,
                **dict(zip(open_positions, outcomes, strict=True)),
            }
            several = _of_several_clauses(found, questions)
            asked = [
                UpdateQuestion(questions[position].fact, (cut.asked_about(i),))
                for position, cut in several.items()
                for i in range(len(cut.clauses))
            ]
            outcomes, more, answered = services.experts.decide(asked, answered)
            answers = iter(outcomes)
            parts: dict[int, Part] = {}
            for position, cut in several.items():
                found[position], part = _narrowed(found[position], cut, [next(answers) for _ in cut.clauses])
                if part:
                    parts[position] = part
            forgotten: dict[int, Closed] = {}
            if not state.get("again"):  # `protect` asks about turns that are read again
                forgotten, (_, cost, answered) = find_later_requests(services, state["scope"], state["facts"], answered)
                more = plus(more, cost)
        usage = plus(usage, more)
        failures = [
            Failure(state["facts"][position].job_id, type(outcome).__name__, str(outcome))
            for position, outcome in sorted(found.items())
            if isinstance(outcome, ExpertOutputError)
        ]
        outcomes = [found[at] for at in range(len(questions))]
        decisions = [None if isinstance(outcome, ExpertOutputError) else outcome for outcome in outcomes]
        emit("update", decisions=decisions, questions=questions, usage=clock(usage))
        return {
            "decisions": decisions,
            "parts": parts,
            "forgotten": forgotten,
            "undecided": failures,
            "answered": answered,
            "usage": [*state["usage"], clock(usage)],
        }

    def _of_several_clauses(
        found: Mapping[int, Decision | ExpertOutputError], questions: Sequence[UpdateQuestion]
    ) -> dict[int, Quotation]:
        """Return the quotations of several clauses that decisions change, by position."""
        targets = {
            position: memory
            for position, decision in sorted(found.items())
            if isinstance(decision, Decision) and decision.event in {Event.UPDATE, Event.DELETE}
            for memory in questions[position].candidates
            if memory.id == decision.target and memory.turn_ids
        }
        turns = services.ledger.turns([memory.turn_ids[0] for memory in targets.values()], withheld=True)
        cuts = {at: cut_quotation(memory, turns.get(memory.turn_ids[0])) for at, memory in targets.items()}
        return {position: cut for position, cut in cuts.items() if cut}

    return update


def _narrowed(
    decision: Decision | ExpertOutputError, cut: Quotation, answers: Sequence[Decision | ExpertOutputError]
) -> tuple[Decision | ExpertOutputError, Part | None]:
    """Return the decision about a quotation after the answers about its clauses, and the part that it is about, if not all.

    An UPDATE of the whole that is one of no clause is in doubt, and doubt adds. A DELETE remains one of the whole: what the
    user wants forgotten must not stay.
    """
    unread = next((answer for answer in answers if isinstance(answer, ExpertOutputError)), None)
    if unread or isinstance(decision, ExpertOutputError):
        return unread or decision, None
    indices = tuple(i for i, a in enumerate(answers) if isinstance(a, Decision) and a.event is decision.event)
    if not indices and decision.event is Event.UPDATE:
        return replace(decision, event=Event.ADD, target=None), None
    return decision, Part(cut, indices) if 0 < len(indices) < len(cut.clauses) else None
