"""match: for each fact, the known memories it may repeat or change. Facts of one group see the earlier ones too.

Two cases need no expert, because nothing is to be judged: a fact in the very words of a known one is the same fact, unless
the words name another day than they did then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_memlora.experts import Question
from langchain_memlora.graph.state import Node, Read, RememberState, Services, emit, timed
from langchain_memlora.retrieval import find_dates
from langchain_memlora.types import Decision, Event, Fact, Memory, Scope, Usage

FROM_GROUP = 3


def make_match(services: Services) -> Node:
    """Make the node."""

    def match(state: RememberState) -> dict[str, Any]:
        facts, scope = state["facts"], state["scope"]
        with timed() as clock:
            revision = services.ledger.revision(scope)
            turns = services.ledger.turns([read.fact.turn_id for read in facts])
            # A turn that was erased meanwhile is nobody's any more; `commit` drops its facts.
            speakers = [turn.speaker if (turn := turns.get(read.fact.turn_id)) else None for read in facts]
            earlier = _earlier(facts, speakers, scope)
            limit = services.experts.bundle.card.update.candidates
            questions, settled = [], {}
            for position, (read, speaker) in enumerate(zip(facts, speakers, strict=True)):
                room = max(0, limit - len(earlier[position]))
                known = services.retriever.candidates(read.fact.text, scope, speaker=speaker, k=room)
                candidates = (*earlier[position], *known)
                questions.append(Question(read.fact, candidates))
                if decision := _plain(read.fact, candidates):
                    settled[position] = decision
        emit("match", questions=questions, usage=clock(Usage("match")))
        usage = [*state["usage"], clock(Usage("match"))]
        return {"questions": questions, "settled": settled, "revision": revision, "usage": usage}

    def _earlier(facts: Sequence[Read], speakers: Sequence[str | None], scope: Scope) -> list[list[Memory]]:
        """For each fact, the few facts before it in this group that are nearest to it, as the memories they may become."""
        vectors = services.embeddings.embed_documents([read.fact.text for read in facts]) if len(facts) > 1 else []
        found: list[list[Memory]] = []
        for position, read in enumerate(facts):
            # Two facts of one message are both true, and what one named person tells is not about another.
            others = [i for i in range(position) if facts[i].fact.turn_id != read.fact.turn_id]
            others = [i for i in others if len({speakers[i], speakers[position]} - {None}) < 2]
            before = [i for i in others if not facts[i].fact.retracts]
            before.sort(key=lambda i: -sum(a * b for a, b in zip(vectors[i], vectors[position], strict=True)))
            found.append([_provisional(facts[i], scope) for i in before[:FROM_GROUP] if facts[i].fact != read.fact])
        return found

    return match


def _provisional(read: Read, scope: Scope) -> Memory:
    at = read.fact.observed_at
    return Memory(read.new_id, read.fact.text, scope, at, at, at)


def _plain(fact: Fact, candidates: Sequence[Memory]) -> Decision | None:
    """The decision on a fact told before in the same words."""
    if fact.retracts:
        return None
    twins = [memory for memory in candidates if memory.text.casefold() == fact.text.casefold()]
    for memory in twins:
        if _days(memory.text, memory.observed_at) == _days(fact.text, fact.observed_at):
            return Decision(Event.NONE, fact, memory.id)
    return Decision(Event.ADD, fact) if twins else None


def _days(text: str, observed_at: Any) -> list[tuple[Any, Any]]:
    return [(span.start, span.end) for span in find_dates(text, observed_at)]
