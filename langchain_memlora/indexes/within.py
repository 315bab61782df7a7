"""Nearest neighbours within a set of items, on any store.

The vectors in the ledger are compared exactly. A store that embeds by itself leaves none there: if too many had to be computed,
ever wider searches of the store are made instead, until enough of the items are found or the store has no more.
"""

from __future__ import annotations

from collections.abc import Sequence

from langchain_memlora.indexes.base import Kind
from langchain_memlora.indexes.exact import Among, LedgerVectors
from langchain_memlora.indexes.sync import LiveIndex

COMPUTED = 256  # vectors, about a second with a small embedder
WIDER = 4


def nearest_within(
    index: LiveIndex,
    vectors: LedgerVectors | None,
    query: str,
    user_id: str,
    kinds: Sequence[Kind],
    k: int,
    among: Among,
) -> list[list[str]]:
    """Return the ids of the items of each kind, nearest first, at most `k`."""
    if not any(among[kind] for kind in kinds):
        return [[] for _ in kinds]
    if vectors:
        found = vectors.nearest_each(query, user_id, kinds, k, among=among, compute=COMPUTED)
        if found is not None:
            return found
    width = k
    while True:
        rankings = index.nearest_each(query, user_id, kinds, width)
        inside = [[item for item in ids if item in among[kind]] for kind, ids in zip(kinds, rankings, strict=True)]
        enough = [len(ids) >= min(k, len(among[kind])) for kind, ids in zip(kinds, inside, strict=True)]
        if all(enough) or all(len(ids) < width for ids in rankings):
            return [ids[:k] for ids in inside]
        width *= WIDER
