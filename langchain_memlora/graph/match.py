"""The match node: finds, for each fact, the known memories it may repeat or change, earlier facts of its group included.

Two cases need no expert: a fact in the very words of a known memory is the same fact, or a new one if the words resolve to
another day than they did then, or are a short answer to something else.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TypedDict

from langchain_memlora.experts import UpdateQuestion
from langchain_memlora.experts.clauses import is_fragment
from langchain_memlora.graph.state import Node, PendingFact, Services, emit, timed
from langchain_memlora.retrieval import find_dates
from langchain_memlora.tokens import tokens_at_most
from langchain_memlora.types import Decision, Event, Fact, Memory, Scope, Usage

FROM_GROUP = 3
DEEPER = 2
"""Factor by which more memories are looked at than an expert is asked about: some of them may be too long."""
LONG = 120
"""Tokens above which a memory is a text of several things: a fact does not stand for all of it, nor replace all of it."""


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
                known = services.retriever.candidates(pending.fact.text, scope, speaker=speaker, k=DEEPER * limit)
                near = (*earlier[position], *known)
                questions.append(UpdateQuestion(pending.fact, _comparable(pending.fact, near)[:limit]))
                alike = [memory for memory in near if memory.text.casefold() == pending.fact.text.casefold()]
                if decision := _settle(pending.fact, [(memory, in_context(pending.fact, memory)) for memory in alike]):
                    settled[position] = decision
        emit("match", questions=questions, usage=clock(Usage("match")))
        usage = [*state["usage"], clock(Usage("match"))]
        return {"questions": questions, "settled": settled, "revision": revision, "usage": usage}

    def in_context(fact: Fact, memory: Memory) -> bool:
        """Return whether a fact in the words of a memory also states the same: a short answer may answer something else."""
        if fact.form != "said" or not fact.said:
            return True
        ids = [fact.turn_id, *memory.turn_ids[:1]]
        turns = services.ledger.turns(ids, withheld=True)
        if len(ids) < 2 or len(turns) < len(set(ids)):
            return False
        if not fact.said.asked and not is_fragment(turns[fact.turn_id].words[fact.said.start : fact.said.end]):
            return True
        before = services.ledger.previous_turns(ids)
        new, known = (before[key].words if key in before else None for key in ids)
        return new == known

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
    fact = pending.fact
    return Memory(
        pending.new_id,
        fact.text,
        scope,
        at,
        at,
        at,
        turn_ids=(fact.turn_id,),
        metadata=pending.metadata,
        form=fact.form,
        said=fact.said,
    )


def _comparable(fact: Fact, candidates: Sequence[Memory]) -> tuple[Memory, ...]:
    """Return the memories that a fact may repeat or change as a whole. A request to forget concerns long ones too."""
    if fact.retracts:
        return tuple(candidates)
    if _is_long(fact):
        return ()
    return tuple(memory for memory in candidates if not _is_long(memory))


def _is_long(stated: Fact | Memory) -> bool:
    return tokens_at_most(stated.text.removeprefix(stated.said.asked if stated.said else "")) > LONG


def _settle(fact: Fact, alike: Sequence[tuple[Memory, bool]]) -> Decision | None:
    """Decide a fact that memories state in the same words, given whether in the same context; `None` if there are none."""
    if fact.retracts:
        return None
    for memory, in_context in alike:
        if in_context and _days(memory.text, memory.observed_at) == _days(fact.text, fact.observed_at):
            return Decision(Event.NONE, fact, memory.id)
    return Decision(Event.ADD, fact) if alike else None


def _days(text: str, observed_at: datetime) -> list[tuple[object, object]]:
    return [(span.start, span.end) for span in find_dates(text, observed_at)]
