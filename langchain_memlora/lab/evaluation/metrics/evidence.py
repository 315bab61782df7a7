"""Recall of the turns that have the answer."""

from __future__ import annotations

from collections.abc import Collection, Sequence


def any_found(retrieved: Sequence[Collection[str]], evidence: Collection[str], k: int) -> bool:
    """Return whether one of the first `k` hits shows an evidence turn.

    Args:
        retrieved: For each hit, best first, the message ids of the turns it shows or was stated by.
        evidence: The message ids with the answer; not empty.
    """
    return any(message in evidence for hit in retrieved[:k] for message in hit)


def all_found(retrieved: Sequence[Collection[str]], evidence: Collection[str], k: int) -> bool:
    """Return whether the first `k` hits together show every evidence turn, as a multi-hop question needs."""
    return set(evidence) <= {message for hit in retrieved[:k] for message in hit}
