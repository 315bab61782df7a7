"""The protect node: turns that are read again are old, so what came after them stays as it is.

Deciding about a fact as if it were said now would let it change newer memories, and bring back what was superseded, deleted
or forgotten since. So between `update` and `commit` of turns that are read again:

* a memory that was observed after the fact is neither changed nor deleted; the fact is dropped, and where it is a request to
  forget, the deletion it would have made is in `kept`;
* a memory that the caller gave is not changed; the fact is added beside it;
* a fact that a later turn or call superseded or deleted, or that a later request to forget names, is dropped. The update
  expert decides which, about the nearest of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from operator import mul
from typing import TypedDict

from langchain_memlora.errors import ExpertOutputError
from langchain_memlora.experts import UpdateQuestion
from langchain_memlora.graph.state import Node, PendingFact, Services, emit, timed
from langchain_memlora.ledger import Closed
from langchain_memlora.types import Decision, Event, Fact, Failure, Memory, Scope, Usage

NEAREST = 3


class ProtectInput(TypedDict):
    """Keys that `protect` reads."""

    scope: Scope
    facts: list[PendingFact]
    questions: list[UpdateQuestion]
    decisions: list[Decision | None]
    undecided: list[Failure]
    usage: list[Usage]


class ProtectOutput(TypedDict):
    """Keys that `protect` writes."""

    decisions: list[Decision | None]
    undecided: list[Failure]
    kept: list[Decision]
    usage: list[Usage]


def make_protect(services: Services) -> Node[ProtectInput, ProtectOutput]:
    """Make the node."""

    def protect(state: ProtectInput) -> ProtectOutput:
        decisions: list[Decision | None] = []
        kept: list[Decision] = []
        for question, decision in zip(state["questions"], state["decisions"], strict=True):
            decisions.append(decision and _in_order_of_time(decision, question.candidates))
            if decision and decision.event is Event.DELETE and decisions[-1] != decision:
                kept.append(decision)
        with timed() as clock:
            stored = [i for i, d in enumerate(decisions) if d and d.event in {Event.ADD, Event.UPDATE}]
            asked = list(_asked(state["facts"], stored, state["scope"]))
            outcomes, usage, _ = services.experts.decide([question for _, question in asked])
        failures = []
        for (position, question), outcome in zip(asked, outcomes, strict=True):
            if isinstance(outcome, ExpertOutputError):
                decisions[position] = None
                failures.append(Failure(state["facts"][position].job_id, type(outcome).__name__, str(outcome)))
            elif decisions[position] and outcome.event is not (Event.NONE if question.fact.retracts else Event.ADD):
                decisions[position] = Decision(Event.NONE, state["facts"][position].fact, None, outcome.probability)
        emit("protect", decisions=decisions, kept=kept, usage=clock(usage))
        return {
            "decisions": decisions,
            "undecided": state["undecided"] + failures,
            "kept": kept,
            "usage": [*state["usage"], clock(usage)],
        }

    def _asked(
        facts: Sequence[PendingFact], stored: Sequence[int], scope: Scope
    ) -> Iterator[tuple[int, UpdateQuestion]]:
        """Yield what is to be asked about facts that would be stored: did later texts end them, do later requests name them?"""
        closed = services.ledger.reading.closed(scope) if stored else []
        vectors = dict(zip(closed, services.embeddings.embed_documents([c.text for c in closed]), strict=True))
        for position in stored:
            fact = facts[position].fact
            (vector,) = services.embeddings.embed_documents([fact.text])
            later = [c for c in closed if c.at > fact.observed_at]
            later.sort(key=lambda c: -sum(map(mul, vectors[c], vector)))
            if texts := [_as_memory(c, scope) for c in later if not c.is_request][:NEAREST]:
                yield position, UpdateQuestion(fact, tuple(texts))
            stated = Memory(fact.turn_id, fact.text, scope, fact.observed_at, fact.observed_at, fact.observed_at)
            for request in [c for c in later if c.is_request][:NEAREST]:
                asks = Fact(request.text, fact.turn_id, request.at, retracts=True)
                yield position, UpdateQuestion(asks, (replace(stated, form=fact.form, said=fact.said),))

    return protect


def _in_order_of_time(decision: Decision, candidates: Sequence[Memory]) -> Decision:
    """Return a decision that leaves alone what was observed later, and what the caller gave."""
    target = next((memory for memory in candidates if memory.id == decision.target), None)
    if target is None or decision.event not in {Event.UPDATE, Event.DELETE}:
        return decision
    if target.observed_at > decision.fact.observed_at:
        return replace(decision, event=Event.NONE, target=None)
    if target.form == "given" and decision.event is Event.UPDATE:
        return replace(decision, event=Event.ADD, target=None)
    return decision


def _as_memory(closed: Closed, scope: Scope) -> Memory:
    return Memory(f"closed {closed.text}", closed.text, scope, closed.at, closed.at, closed.at)
