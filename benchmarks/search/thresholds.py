"""The evidence that a threshold on scores keeps, and the unrelated messages for which it still recalls something."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from benchmarks.search.memories import Filled
from benchmarks.search.unrelated import MEASURING
from langchain_memlora.retrieval import FLOOR, Retriever

K = 5
STEPS = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)


@dataclass(slots=True)
class Thresholds:
    """Scores of the first five hits: of the best one with evidence, and of the first for messages that need no memory."""

    found: list[float] = field(default_factory=list)
    unrelated: list[float] = field(default_factory=list)

    def add(self, memory: Filled) -> None:
        """Search a memory for its own questions and for every message that it can't help with."""
        retriever = Retriever(memory.ledger, lambda: memory.index, reranker=memory.late)
        for question in memory.answerable:
            hits = retriever.search(question.text, memory.scope, k=K)
            right = [hit.score for hit in hits if question.evidence & set(memory.messages(hit))]
            self.found += right[:1]
        for message in MEASURING:
            self.unrelated += [max((hit.score for hit in retriever.search(message, memory.scope, k=K)), default=0.0)]

    def figures(self) -> list[dict[str, Any]]:
        """Return for each threshold the share of found evidence that is kept, and of messages that recall something."""
        steps = sorted({*STEPS, FLOOR})
        return [
            {
                "min_score": step,
                "kept": round(sum(score >= step for score in self.found) / max(1, len(self.found)), 3),
                "false_recall": round(sum(score >= step for score in self.unrelated) / max(1, len(self.unrelated)), 3),
                "default": step == FLOOR,
            }
            for step in steps
        ]
