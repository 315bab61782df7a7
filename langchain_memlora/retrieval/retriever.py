"""Finds memories and raw turns for a question, and candidates for a new fact.

Facts are keys, turns are evidence: rankings of memories, of turns, and of turns with the one before them, each dense and
lexical, are fused, and what points to the same turn counts together. Everything shown comes from the ledger, so an id that
is stale, deleted or somebody else's is simply not a hit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from langchain_memlora.indexes.base import Kind
from langchain_memlora.indexes.sync import Synced
from langchain_memlora.ledger import Ledger, TurnStatus
from langchain_memlora.retrieval.fusion import fuse
from langchain_memlora.types import Hit, Memory, Scope, Turn

Include = Literal["both", "memories", "turns"]
DEPTH, DEEPER = 30, 480
_KINDS: Mapping[Include, Sequence[Kind]] = {
    "both": (Kind.MEMORY, Kind.TURN, Kind.WINDOW),
    "memories": (Kind.MEMORY,),
    "turns": (Kind.TURN, Kind.WINDOW),
}


class Retriever:
    """Reads the ledger and its index; keeps nothing of its own.

    Args:
        index: Gives the synced index; called at the first search.
    """

    def __init__(self, ledger: Ledger, index: Callable[[], Synced]) -> None:
        self._ledger = ledger
        self._index = index

    def search(
        self,
        query: str,
        scope: Scope,
        *,
        k: int = 5,
        include: Include = "both",
        filters: Mapping[str, Any] | None = None,
    ) -> list[Hit]:
        """Hits for a question, best first.

        Where most of what is near is of other agents or does not meet the filters, it is looked once more, 480 deep.

        Args:
            include: `memories` and `turns` switch the other kind off, also as a key.
            filters: Metadata a hit must have, by equality.
        """
        hits: list[Hit] = []
        for depth in (max(DEPTH, k), max(DEEPER, k)):
            ranked = self._rankings(query, scope, _KINDS[include], depth)
            hits = [hit for hit in self._hits(ranked, scope, include) if _meets(hit, filters)]
            if len(hits) >= k or all(len(ranking) < depth for _, ranking in ranked):
                break
        return hits[:k]

    def _hits(self, ranked: Sequence[tuple[Kind, list[str]]], scope: Scope, include: Include) -> list[Hit]:
        """What rankings point to and the scope sees, best first."""
        by_memory = [ranking for kind, ranking in ranked if kind is Kind.MEMORY]
        by_turn = [ranking for kind, ranking in ranked if kind is not Kind.MEMORY]
        found = {m.id: m for m in self._ledger.memories(scope, ids=_merged(by_memory))}
        turn_ids = [*_merged(by_turn), *(turn for memory in found.values() for turn in memory.turn_ids)]
        status = self._ledger.turn_status(list(dict.fromkeys(turn_ids)))
        turns = {
            key: turn
            for key, turn in self._ledger.turns(list(dict.fromkeys(turn_ids))).items()
            if _sees(scope, turn.scope) and not status.get(key, TurnStatus()).withheld
        }
        told_by = {memory.id: [key for key in memory.turn_ids if key in turns] for memory in found.values()}
        scores = _scores(by_memory, by_turn, told_by, found, turns)
        return self._assemble(scores, found, turns, told_by, status, include, scope)

    def candidates(self, fact: str, scope: Scope, *, speaker: str | None = None, k: int = 10) -> list[Memory]:
        """Memories of exactly this scope that a new fact may repeat or change, nearest first.

        Args:
            speaker: Who told the fact, if named. What only other named people told of themselves is left out.
        """
        ranked = fuse([ranking for _, ranking in self._rankings(fact, scope, [Kind.MEMORY], DEPTH)])
        memories = {memory.id: memory for memory in self._ledger.memories(scope, ids=list(ranked))}
        near = [memories[key] for key in ranked if key in memories and memories[key].scope == scope]
        if speaker:
            turns = self._ledger.turns([key for memory in near for key in memory.turn_ids])
            told_by = [{turns[key].speaker for key in memory.turn_ids if key in turns} for memory in near]
            near = [memory for memory, by in zip(near, told_by, strict=True) if not by or by & {speaker, None}]
        return near[:k]

    def _rankings(self, query: str, scope: Scope, kinds: Sequence[Kind], depth: int) -> list[tuple[Kind, list[str]]]:
        """The dense ranking of each kind, then the lexical ones."""
        dense = self._index().nearest_each(query, scope.user_id, kinds, depth)
        lexical = [self._ledger.lexical(scope, kind, query, depth) for kind in kinds]
        return list(zip([*kinds, *kinds], [*dense, *lexical], strict=True))

    def _assemble(
        self,
        scores: Mapping[str, float],
        found: dict[str, Memory],
        turns: Mapping[str, Turn],
        told_by: Mapping[str, list[str]],
        status: Mapping[str, TurnStatus],
        include: Include,
        scope: Scope,
    ) -> list[Hit]:
        """Each memory once with its evidence; a turn by itself only if no hit shows it; superseded ones below what came."""
        hits: list[Hit] = []
        shown: set[str] = set()
        placed: set[str] = set()

        def place(memory: Memory, score: float) -> None:
            evidence = [turn for turn in memory.turn_ids if turn in turns]
            hits.append(Hit(memory, tuple(turns[turn] for turn in evidence), score))
            placed.add(memory.id)
            shown.update(evidence)

        for key in sorted(scores, key=lambda key: (-scores[key], key not in found)):
            if key in found and key not in placed:
                place(found[key], scores[key])
            elif key in turns and key not in shown:
                told = [memory for memory in found if key in told_by[memory] and memory not in placed]
                newer = status.get(key, TurnStatus()).replaced_by
                if told:  # a turn that outranks what it tells brings it up, rather than standing beside it
                    place(found[max(told, key=lambda memory: scores[memory])], scores[key])
                    continue
                if newer and newer not in placed and include == "both":
                    for memory in self._ledger.memories(scope, ids=[newer]):
                        place(memory, scores[key])
                hits.append(Hit(None, (turns[key],), scores[key], newer))
                shown.add(key)
        return hits


def _scores(
    by_memory: Sequence[Sequence[str]],
    by_turn: Sequence[Sequence[str]],
    told_by: Mapping[str, Sequence[str]],
    found: Mapping[str, Memory],
    turns: Mapping[str, Turn],
) -> dict[str, float]:
    """Score memories and turns together: a memory ranks where its turns rank, and a turn where its memories do."""
    tells: dict[str, list[str]] = {}
    for memory_id, turn_ids in told_by.items():
        for turn_id in turn_ids:
            tells.setdefault(turn_id, []).append(memory_id)
    widened = [_widen(ranking, told_by) for ranking in by_memory] + [_widen(ranking, tells) for ranking in by_turn]
    return {key: score for key, score in fuse(widened).items() if key in found or key in turns}


def _widen(ranking: Sequence[str], links: Mapping[str, Sequence[str]]) -> list[str]:
    """A ranking with what each item is linked to right after it."""
    return [key for item in ranking for key in (item, *links.get(item, ()))]


def _merged(rankings: Sequence[Sequence[str]]) -> list[str]:
    return list(dict.fromkeys(item for ranking in rankings for item in ranking))


def _sees(reader: Scope, owner: Scope) -> bool:
    """The same rule as the ledger's `visible`."""
    return (
        reader.user_id == owner.user_id
        and (reader.agent_id is None or owner.agent_id in {None, reader.agent_id})
        and (reader.run_id is None or owner.run_id in {None, reader.run_id})
    )


def _meets(hit: Hit, filters: Mapping[str, Any] | None) -> bool:
    metadata = hit.memory.metadata if hit.memory else hit.turns[0].metadata
    return all(metadata.get(key) == value for key, value in (filters or {}).items())
