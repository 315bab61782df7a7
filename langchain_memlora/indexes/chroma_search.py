"""Finds a user's nearest entries in a Chroma collection that all users share, without its filter.

Chroma walks its graph of neighbours past everybody's entries until enough of them pass a filter: the rarer a user is, the
longer that takes (60 ms among 50,000 entries). Bare ids cost little, and so do all entries of one user, if they are few.
So whoever owns much is found among the nearest of all, and whoever owns little is compared entry by entry, exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from langchain_memlora.indexes.base import Kind, entry_id

if TYPE_CHECKING:
    from chromadb.api.models.Collection import Collection

LOOK = 32  # ids looked at for each that is wanted: memories may be few beside turns and windows
READ = 4  # of these, as many of the right kind are read at most
FEW = 1000  # entries of a user that are compared one by one


def nearest_of_user(
    collection: Collection, vector: Sequence[float], user_id: str, kinds: Sequence[Kind], k: int
) -> list[list[str] | None]:
    """Item ids of each kind, nearest first, at most `k`; `None` where only the filter can tell."""
    near = collection.query(query_embeddings=[list(vector)], n_results=LOOK * k, include=[])["ids"][0]
    found: list[list[str] | None] = [_among_all(collection, near, user_id, kind, k) for kind in kinds]
    if None in found and (own := _all_of(collection, user_id)) is not None:
        ordered = _by_likeness(*own, vector)
        found = [_items(ordered, kind)[:k] if mine is None else mine for mine, kind in zip(found, kinds, strict=True)]
    return found


def _among_all(collection: Collection, near: Sequence[str], user_id: str, kind: Kind, k: int) -> list[str] | None:
    """The first `k` that are this user's, unless others crowd them out."""
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
    """All entries of a user, if they are few."""
    found = collection.get(where={"user_id": user_id}, include=["embeddings"], limit=FEW + 1)
    if len(found["ids"]) > FEW:
        return None
    return found["ids"], np.asarray(found["embeddings"], dtype=float)


def _by_likeness(ids: list[str], vectors: np.ndarray, vector: Sequence[float]) -> list[str]:
    if not ids:
        return []
    likeness = vectors @ np.asarray(vector) / np.maximum(np.linalg.norm(vectors, axis=1), 1e-12)
    return [ids[place] for place in np.argsort(-likeness, kind="stable")]


def _items(keys: Sequence[str], kind: Kind) -> list[str]:
    start = entry_id(kind, "")
    return [key.removeprefix(start) for key in keys if key.startswith(start)]
