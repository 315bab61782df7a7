"""The interface of the second stage of a search, which puts what the first one found into a better order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Candidate:
    """A memory or a turn that the first stage found.

    Attributes:
        id: Its id in the ledger.
        text: The memory's text, or the turn's words after its speaker's name.
        score: Probability that it is relevant.
        before: For a turn, the texts of up to two turns before it in its thread, the nearest first.
        memories: For a turn, the texts of the memories found that it supports.
        is_reply: Whether it is a turn of an assistant.
    """

    id: str
    text: str
    score: float
    before: tuple[str, ...] = ()
    memories: tuple[str, ...] = ()
    is_reply: bool = False


class Reranker(ABC):
    """The second stage of a search. Implement `rerank`; the other methods have defaults."""

    @abstractmethod
    def rerank(self, query: str, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Return the candidates in a better order, best first, with scores that never rise; those left out are no hits."""

    def prepare(self, texts: Sequence[str]) -> None:
        """Compute ahead what `rerank` needs of texts that were just stored: of memories, and of turns."""

    def unprepared(self, texts: Sequence[str]) -> set[str]:
        """Return the stored texts of which `prepare` left nothing, so that every search that finds them computes it."""
        return set()

    def warm(self) -> None:
        """Load models now."""
