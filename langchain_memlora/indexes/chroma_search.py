"""Search for a user's nearest entries in a Chroma collection that all users share, without Chroma's filter.

Chroma walks its neighbour graph past all users' entries until enough of them pass a filter: the fewer entries a user has, the
longer that takes (60 ms among 50,000 entries). Reading ids costs little, and so do all entries of one user, if they are few.
So users with many entries are found among the nearest of all, and users with few are compared exactly, entry by entry.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from langchain_memlora.indexes.base import Kind, entry_id

if TYPE_CHECKING:
    from chromadb.api.models.Collection import Collection

SEARCHED = 32  # ids searched for each one wanted: memories may be few beside turns and windows
READ = 4  # maximum number of ids of the right kind that are read for each one wanted
FEW = 1000  # maximum number of entries of a user that are compared one by one


def nearest_of_user(
    collection: Collection, vector: Sequence[float], user_id: str, kinds: Sequence[Kind], k: int
) -> list[list[str] | None]:
    """Return the item ids of each kind, nearest first, at most `k`; `None` if only the filter can find them."""
    query: list[Sequence[float] | Sequence[int]] = [list(vector)]
    near = collection.query(query_embeddings=query, n_results=SEARCHED * k, include=[])["ids"][0]
    found: list[list[str] | None] = [_among_all(collection, near, user_id, kind, k) for kind in kinds]
    if None in found and (own := _all_of(collection, user_id)) is not None:
        ordered = _by_similarity(*own, vector)
        found = [_items(ordered, kind)[:k] if mine is None else mine for mine, kind in zip(found, kinds, strict=True)]
    return found


def _among_all(collection: Collection, near: Sequence[str], user_id: str, kind: Kind, k: int) -> list[str] | None:
    """Return the first `k` of this user; `None` if other users' entries crowd them out."""
    near = [key for key in near if key.startswith(entry_id(kind, ""))]
    mine: list[str] = []
    for start in range(0, len(near), k):
        part = near[start : start + k]
        found = collection.get(ids=part, include=["metadatas"])
        owners = dict(zip(found["ids"], found["metadatas"] or (), strict=True))
        mine += [key for key in part if key in owners and owners[key]["user_id"] == user_id]
        if len(mine) >= k:
            return _items(mine[:k], kind)
        if len(mine) * READ < start + k:
            break
    return None


def _all_of(collection: Collection, user_id: str) -> tuple[list[str], np.ndarray] | None:
    """Return all entries of a user; `None` if there are more than `FEW`."""
    found = collection.get(where={"user_id": user_id}, include=["embeddings"], limit=FEW + 1)
    if len(found["ids"]) > FEW:
        return None
    return found["ids"], np.asarray(found["embeddings"], dtype=float)


def _by_similarity(ids: list[str], vectors: np.ndarray, vector: Sequence[float]) -> list[str]:
    if not ids:
        return []
    similarity = vectors @ np.asarray(vector) / np.maximum(np.linalg.norm(vectors, axis=1), 1e-12)
    return [ids[place] for place in np.argsort(-similarity, kind="stable")]


def _items(keys: Sequence[str], kind: Kind) -> list[str]:
    start = entry_id(kind, "")
    return [key.removeprefix(start) for key in keys if key.startswith(start)]
