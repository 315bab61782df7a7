"""The match node: finds, for each fact, the known memories it may repeat or change, earlier facts of its group included.

Two cases need no expert: a fact in the very words of a known memory is the same fact, or a new one if the words resolve to
another day than they did then.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TypedDict

from langchain_memlora.experts import UpdateQuestion
from langchain_memlora.graph.state import Node, PendingFact, Services, emit, timed
from langchain_memlora.retrieval import find_dates
from langchain_memlora.types import Decision, Event, Fact, Memory, Scope, Usage

FROM_GROUP = 3


class MatchInput(TypedDict):
    """Keys that `match` reads."""

    scope: Scope
    facts: list[PendingFact]
    usage: list[Usage]


class MatchOutput(TypedDict):
    """Keys that `match` writes."""

    questions: list[UpdateQuestion]
    settled: dict[int, Decision]
    revision: int
    usage: list[Usage]


def make_match(services: Services) -> Node[MatchInput, MatchOutput]:
    """Make the node."""

    def match(state: MatchInput) -> MatchOutput:
        facts, scope = state["facts"], state["scope"]
        with timed() as clock:
            revision = services.ledger.revision(scope)
            turns = services.ledger.turns([pending.fact.turn_id for pending in facts])
            # A turn erased since extraction has no speaker; `commit` drops its facts.
            speakers = [turn.speaker if (turn := turns.get(pending.fact.turn_id)) else None for pending in facts]
            earlier = earlier_facts(facts, speakers, scope)
            limit = services.experts.bundle.card.update.candidates
            questions: list[UpdateQuestion] = []
            settled: dict[int, Decision] = {}
            for position, (pending, speaker) in enumerate(zip(facts, speakers, strict=True)):
                room = max(0, limit - len(earlier[position]))
                known = services.retriever.candidates(pending.fact.text, scope, speaker=speaker, k=room)
                candidates = (*earlier[position], *known)
                questions.append(UpdateQuestion(pending.fact, candidates))
                if decision := _settle(pending.fact, candidates):
                    settled[position] = decision
        emit("match", questions=questions, usage=clock(Usage("match")))
        usage = [*state["usage"], clock(Usage("match"))]
        return {"questions": questions, "settled": settled, "revision": revision, "usage": usage}

    def earlier_facts(facts: Sequence[PendingFact], speakers: Sequence[str | None], scope: Scope) -> list[list[Memory]]:
        """Return, for each fact, the nearest few facts before it in this group, as the memories they may become."""
        vectors = services.embeddings.embed_documents([p.fact.text for p in facts]) if len(facts) > 1 else []
        found: list[list[Memory]] = []
        for position, pending in enumerate(facts):
            # Two facts of one message are both true, and what one named person says is not about another.
            others = [i for i in range(position) if facts[i].fact.turn_id != pending.fact.turn_id]
            others = [i for i in others if len({speakers[i], speakers[position]} - {None}) < 2]
            before = [i for i in others if not facts[i].fact.retracts]
            before.sort(key=lambda i: -sum(a * b for a, b in zip(vectors[i], vectors[position], strict=True)))
            found.append([_provisional(facts[i], scope) for i in before[:FROM_GROUP] if facts[i].fact != pending.fact])
        return found

    return match


def _provisional(pending: PendingFact, scope: Scope) -> Memory:
    at = pending.fact.observed_at
    return Memory(pending.new_id, pending.fact.text, scope, at, at, at, form=pending.fact.form, said=pending.fact.said)


def _settle(fact: Fact, candidates: Sequence[Memory]) -> Decision | None:
    """Decide a fact that a candidate states in the same words; `None` if no candidate does."""
    if fact.retracts:
        return None
    same = [memory for memory in candidates if memory.text.casefold() == fact.text.casefold()]
    for memory in same:
        if _days(memory.text, memory.observed_at) == _days(fact.text, fact.observed_at):
            return Decision(Event.NONE, fact, memory.id)
    return Decision(Event.ADD, fact) if same else None


def _days(text: str, observed_at: datetime) -> list[tuple[object, object]]:
    return [(span.start, span.end) for span in find_dates(text, observed_at)]
