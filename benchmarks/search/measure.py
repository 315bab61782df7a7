"""The measures of a search: the evidence among its first hits and in the context, and its time."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.search.memories import Filled
from langchain_memlora.lab.evaluation.metrics.evidence import all_found, any_found
from langchain_memlora.retrieval import Retriever, build_context
from langchain_memlora.retrieval.context import MESSAGE_CLIP
from langchain_memlora.types import Hit

FIRST, ALL_IN, BUDGETS = (1, 3, 5, 10, 20), (5, 10), (250, 500)


@dataclass(slots=True)
class Row:
    """The figures of one row of the table, a value a question."""

    found: dict[str, list[bool]] = field(default_factory=dict)
    milliseconds: list[float] = field(default_factory=list)

    def add(
        self, memory: Filled, retriever: Retriever, question: str, evidence: frozenset[str], *, facts: bool
    ) -> None:
        """Search once and count."""
        start = time.perf_counter()
        hits = retriever.search(question, memory.scope, k=max(FIRST), include="both" if facts else "turns")
        self.milliseconds.append(1000 * (time.perf_counter() - start))
        shown = [memory.messages(hit) for hit in hits]
        for k in FIRST:
            self.found.setdefault(f"first {k}", []).append(any_found(shown, evidence, k))
        for k in ALL_IN:
            self.found.setdefault(f"all in {k}", []).append(all_found(shown, evidence, k))
        for budget in BUDGETS:
            read = read_in(memory, hits, build_context(hits, budget=budget))
            self.found.setdefault(f"{budget} tokens", []).append(bool(read & evidence))

    def figures(self) -> dict[str, Any]:
        """Return the shares of questions, and the median time of a search in milliseconds."""
        shares = {name: round(statistics.mean(values), 3) for name, values in self.found.items()}
        return shares | {"ms": round(statistics.median(self.milliseconds), 1), "questions": len(self.milliseconds)}


def read_in(memory: Filled, hits: Sequence[Hit], context: str) -> set[str]:
    """Return the message ids of the turns in a context, and of those that stated a memory in it."""
    read: set[str] = set()
    for hit in hits:
        read |= {turn.message_id for turn in hit.turns if " ".join(turn.text.split())[:MESSAGE_CLIP] in context}
        if hit.memory and hit.memory.text in context:
            read |= set(memory.messages(hit))
    return read


def figures(rows: Mapping[str, Row]) -> dict[str, Any]:
    """Return the figures of each row, by name."""
    return {name: row.figures() for name, row in rows.items()}
