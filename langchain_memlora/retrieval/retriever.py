"""Retrieval of memories and turns for a question, and of candidates for a new fact.

Facts are keys, turns are evidence: rankings of memories, of turns, and of turns with the one before them, each dense and
lexical, are fused, and results that point to the same turn count together. A second stage then ranks the first of them.
Everything returned is read from the ledger, so an id that is stale, deleted or of another owner is not a hit. What a scope and
a filter allow is selected in the ledger, and only that is ranked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from langchain_memlora.indexes.base import Kind
from langchain_memlora.indexes.entries import changed_entries, reranked_texts
from langchain_memlora.indexes.exact import LedgerVectors
from langchain_memlora.indexes.sync import LiveIndex
from langchain_memlora.indexes.within import nearest_within
from langchain_memlora.ledger import Ledger, Selection, TurnStatus
from langchain_memlora.retrieval.filters import parse_filters
from langchain_memlora.retrieval.fusion import fuse
from langchain_memlora.retrieval.pool import Pool, read_pool
from langchain_memlora.retrieval.reranker import Reranker
from langchain_memlora.types import Hit, Memory, Scope

Include = Literal["both", "memories", "turns"]
DEPTH = 30
DEEPER = 16
"""Factor by which rankings grow while there are too few hits."""
CANDIDATES = 50
"""Number of memories and messages that the second stage ranks at most, unless more hits are asked for."""
_KINDS: Mapping[Include, Sequence[Kind]] = {
    "both": (Kind.MEMORY, Kind.TURN, Kind.WINDOW),
    "memories": (Kind.MEMORY,),
    "turns": (Kind.TURN, Kind.WINDOW),
}


class Retriever:
    """Searches the ledger and its index; holds no state of its own.

    Args:
        index: Returns the synchronised index; called at the first search.
        vectors: Searches what a scope or filter allows exactly; without it, ever wider searches of the index are made.
        reranker: The second stage of searches; None for none.
    """

    depth = DEPTH
    """Length of the rankings that candidates are taken from."""

    def __init__(
        self,
        ledger: Ledger,
        index: Callable[[], LiveIndex],
        *,
        vectors: LedgerVectors | None = None,
        reranker: Reranker | None = None,
    ) -> None:
        self._ledger = ledger
        self._index = index
        self._vectors = vectors
        self._reranker = reranker

    def search(
        self,
        query: str,
        scope: Scope,
        *,
        k: int = 5,
        include: Include = "both",
        filters: Mapping[str, Any] | None = None,
        min_score: float = 0.0,
    ) -> list[Hit]:
        """Return the hits for a question, best first.

        Rankings are made longer until there are enough hits, or nothing is left.

        Args:
            include: `memories` or `turns` leave the other kind out, also as keys.
            filters: What the metadata of a hit must meet; see `parse_filters`.
            min_score: Probability of relevance that a hit must have.

        Raises:
            InvalidInputError: The filter can't be used.
        """
        meets = parse_filters(filters)
        whole = meets is None and self._ledger.selections.is_whole(scope)
        allowed = None if whole else self._ledger.selections.select(scope, meets)
        depth = max(DEPTH, k)
        while True:
            ranked = self._rankings(query, scope, _KINDS[include], depth, allowed)
            pool = read_pool(self._ledger, ranked, scope)
            if pool.hits >= k or all(len(ranking) < depth for _, ranking in ranked):
                break
            depth *= DEEPER
            if allowed is None:  # withheld messages may crowd the others out
                allowed = self._ledger.selections.select(scope)
        scores = self._second_stage(query, pool, max(CANDIDATES, k))
        hits = self._assemble(scores, pool, include, scope, allowed)
        return [hit for hit in hits[:k] if hit.score >= min_score]

    def _second_stage(self, query: str, pool: Pool, most: int) -> Mapping[str, float]:
        """Rank the first `most` memories and turns by the second stage; those after them follow, and score no higher."""
        first = pool.scores
        if not self._reranker or not first:
            return first
        candidates = pool.candidates(self._ledger, query, most)
        scores = {one.id: one.score for one in self._reranker.rerank(query, candidates)}
        if len(scores) < len(candidates):
            return scores  # what it leaves out is no hit, so what it has not seen is none either
        lowest = min(scores.values())
        return scores | {key: min(score, lowest) for key, score in list(first.items())[most:]}

    def unprepared(self) -> int:
        """Return the number of stored texts for which the second stage must compute something at every search."""
        missing: set[str] = set()
        changed, seq = self._ledger.changes_after(0)
        while changed and self._reranker:
            entries, _ = changed_entries(self._ledger, changed)
            missing |= self._reranker.unprepared(reranked_texts(entries))
            changed, seq = self._ledger.changes_after(seq)
        return len(missing)

    def candidates(self, fact: str, scope: Scope, *, speaker: str | None = None, k: int = 10) -> list[Memory]:
        """Return the memories of exactly this scope that a new fact may repeat or change, nearest first.

        Args:
            speaker: The speaker of the fact, if named. Memories that only other named speakers support are left out.
        """
        whole = self._ledger.selections.is_whole(scope, exactly=True)
        own = None if whole else self._ledger.selections.select(scope, exactly=True, with_turns=False)
        ranked = fuse([ranking for _, ranking in self._rankings(fact, scope, [Kind.MEMORY], self.depth, own)])
        memories = {memory.id: memory for memory in self._ledger.memories(scope, ids=list(ranked))}
        near = [memories[key] for key in ranked if key in memories and memories[key].scope == scope]
        if speaker:
            turns = self._ledger.turns([key for memory in near for key in memory.turn_ids], withheld=True)
            speakers = [{turns[key].speaker for key in memory.turn_ids if key in turns} for memory in near]
            near = [memory for memory, by in zip(near, speakers, strict=True) if not by or by & {speaker, None}]
        return near[:k]

    def _rankings(
        self, query: str, scope: Scope, kinds: Sequence[Kind], depth: int, allowed: Selection | None
    ) -> list[tuple[Kind, list[str]]]:
        """Return the dense ranking of each kind, then the lexical ones, of what is allowed or of all that the user has."""
        index, user_id = self._index(), scope.user_id
        if allowed is None:
            dense = index.nearest_each(query, user_id, kinds, depth)
            lexical = [self._ledger.lexical(scope, kind, query, depth) for kind in kinds]
        else:
            among = {kind: allowed.memories if kind is Kind.MEMORY else allowed.turns for kind in kinds}
            dense = nearest_within(index, self._vectors, query, user_id, kinds, depth, among)
            lexical = [self._ledger.lexical(scope, kind, query, depth, among[kind]) for kind in kinds]
        return list(zip([*kinds, *kinds], [*dense, *lexical], strict=True))

    def _assemble(
        self, scores: Mapping[str, float], pool: Pool, include: Include, scope: Scope, allowed: Selection | None
    ) -> list[Hit]:
        """Return each memory once with its evidence, and turns that no hit shows; superseded turns follow the newer memory.

        Args:
            scores: In the order of ranks; no score is above the one before it. What has none is no hit.
        """
        found = {key: memory for key, memory in pool.found.items() if key in scores}
        turns, evidence, status = pool.turns, pool.evidence, pool.status
        hits: list[Hit] = []
        shown: set[str] = set()
        placed: set[str] = set()

        def place(memory: Memory, score: float) -> None:
            turn_ids = [turn for turn in memory.turn_ids if turn in turns]
            hits.append(Hit(memory, tuple(turns[turn] for turn in turn_ids), score))
            placed.add(memory.id)
            shown.update(turn_ids)

        for key in scores:
            if key in found and key not in placed:
                place(found[key], scores[key])
            elif key in turns and key not in shown:
                supported = [memory for memory in found if key in evidence[memory] and memory not in placed]
                newer = status.get(key, TurnStatus()).replaced_by
                if supported:  # a turn that outranks its memory raises the memory instead of being a hit of its own
                    place(found[max(supported, key=lambda memory: scores[memory])], scores[key])
                    continue
                within = newer and (allowed is None or newer in allowed.memories)
                if newer and within and newer not in placed and include == "both":
                    for memory in self._ledger.memories(scope, ids=[newer]):
                        place(memory, scores[key])
                hits.append(Hit(None, (turns[key],), scores[key], newer))
                shown.add(key)
        return hits
