"""The pool of a search: the memories and turns that its rankings point to, scored together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from langchain_memlora.indexes.base import Kind
from langchain_memlora.ledger import Ledger, TurnStatus, said
from langchain_memlora.passages import passage_for
from langchain_memlora.retrieval.fusion import fuse
from langchain_memlora.retrieval.relevance import FIRST_STAGE
from langchain_memlora.retrieval.reranker import Candidate
from langchain_memlora.types import Memory, Scope, Turn

BEFORE = 2
"""Number of turns before a turn that the second stage compares with it."""


@dataclass(frozen=True, slots=True)
class Pool:
    """The memories and turns that the rankings of a search point to and the scope can read.

    Attributes:
        found: Memories by id.
        turns: Turns by id: those that were ranked, and those that support memories.
        evidence: The ids of the turns that support each memory.
        status: The state of the memories that each turn supports.
        scores: Probabilities of relevance by the first stage, best first.
    """

    found: Mapping[str, Memory]
    turns: Mapping[str, Turn]
    evidence: Mapping[str, Sequence[str]]
    status: Mapping[str, TurnStatus]
    scores: Mapping[str, float]

    @property
    def hits(self) -> int:
        """The number of hits that these make: a memory and its turns are one."""
        return len(self.found) + len(self.turns.keys() - {key for keys in self.evidence.values() for key in keys})

    def candidates(self, ledger: Ledger, query: str, most: int) -> list[Candidate]:
        """Return the first `most` memories and turns as the second stage reads them: of long ones, the fitting passage."""
        keys = list(self.scores)[:most]
        supports = _supports(self.evidence)
        last = {key: self.turns[key] for key in keys if key not in self.found}
        before: dict[str, list[str]] = {key: [] for key in last}
        for _ in range(BEFORE):
            earlier = ledger.previous_turns([turn.id for turn in last.values()])
            last = {key: earlier[turn.id] for key, turn in last.items() if turn.id in earlier}
            for key, turn in last.items():
                before[key].append(passage_for(said(turn), query))
        return [
            Candidate(key, passage_for(self.found[key].text, query), self.scores[key])
            if key in self.found
            else Candidate(
                key,
                passage_for(said(self.turns[key]), query),
                self.scores[key],
                before=tuple(before[key]),
                memories=tuple(passage_for(self.found[memory].text, query) for memory in supports.get(key, ())),
                is_reply=self.turns[key].role == "assistant",
            )
            for key in keys
        ]


def read_pool(ledger: Ledger, ranked: Sequence[tuple[Kind, list[str]]], scope: Scope) -> Pool:
    """Read what rankings point to from the ledger, and score it by the first stage."""
    by_memory = [ranking for kind, ranking in ranked if kind is Kind.MEMORY]
    by_turn = [ranking for kind, ranking in ranked if kind is not Kind.MEMORY]
    found = {m.id: m for m in ledger.memories(scope, ids=_merged(by_memory))}
    turn_ids = [*_merged(by_turn), *(turn for memory in found.values() for turn in memory.turn_ids)]
    status = ledger.turn_status(list(dict.fromkeys(turn_ids)))
    turns = {
        key: replace(turn, outdated=status.get(key, TurnStatus()).outdated)
        for key, turn in ledger.turns(list(dict.fromkeys(turn_ids)), scope).items()
    }
    evidence = {memory.id: [key for key in memory.turn_ids if key in turns] for memory in found.values()}
    fused = _scores(by_memory, by_turn, evidence, found, turns)
    agreeing = sum(bool(ranking) for _, ranking in ranked) / len(ranked)
    first = sorted(fused, key=lambda key: (-fused[key], key not in found))
    likely = FIRST_STAGE.probabilities([agreeing * fused[key] for key in first])
    return Pool(found, turns, evidence, status, dict(zip(first, map(float, likely), strict=True)))


def _scores(
    by_memory: Sequence[Sequence[str]],
    by_turn: Sequence[Sequence[str]],
    evidence: Mapping[str, Sequence[str]],
    found: Mapping[str, Memory],
    turns: Mapping[str, Turn],
) -> dict[str, float]:
    """Score memories and turns together: a memory also ranks with its turns, and a turn with its memories."""
    supports = _supports(evidence)
    widened = [_widen(ranking, evidence) for ranking in by_memory] + [_widen(ranking, supports) for ranking in by_turn]
    return {key: score for key, score in fuse(widened).items() if key in found or key in turns}


def _supports(evidence: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Return the memories that each turn supports."""
    supports: dict[str, list[str]] = {}
    for memory_id, turn_ids in evidence.items():
        for turn_id in turn_ids:
            supports.setdefault(turn_id, []).append(memory_id)
    return supports


def _widen(ranking: Sequence[str], links: Mapping[str, Sequence[str]]) -> list[str]:
    """Return a ranking with the linked items of each item right after it."""
    return [key for item in ranking for key in (item, *links.get(item, ()))]


def _merged(rankings: Sequence[Sequence[str]]) -> list[str]:
    return list(dict.fromkeys(item for ranking in rankings for item in ranking))
