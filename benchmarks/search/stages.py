"""The rows of the ablation: which stages of a search are on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.search.memories import Filled
from langchain_memlora.indexes.base import Kind
from langchain_memlora.models.reranker import cross_encoder
from langchain_memlora.retrieval import CrossEncoder, Reranker, Retriever

DENSE, LEXICAL = "dense", "lexical"


class Partial(Retriever):
    """A retriever that leaves out the dense or the lexical rankings."""

    def __init__(self, memory: Filled, parts: Sequence[str], reranker: Reranker | None) -> None:
        super().__init__(memory.ledger, lambda: memory.index, reranker=reranker)
        self._parts = parts

    def _rankings(self, *args: Any, **options: Any) -> list[tuple[Kind, list[str]]]:
        ranked = super()._rankings(*args, **options)
        half = len(ranked) // 2
        return [
            (kind, ranking if (DENSE if place < half else LEXICAL) in self._parts else [])
            for place, (kind, ranking) in enumerate(ranked)
        ]


def stages(memory: Filled, *, slow: bool) -> Mapping[str, Retriever]:
    """Return a retriever for each row, by its name; with `slow`, also that of the cross-encoder."""
    both = (DENSE, LEXICAL)
    rows = {
        "embeddings alone": Partial(memory, [DENSE], None),
        "words alone": Partial(memory, [LEXICAL], None),
        "both, fused": Partial(memory, both, None),
        "late interaction (default)": Partial(memory, both, memory.late),
    }
    if slow:
        rows["cross-encoder after it"] = Partial(memory, both, CrossEncoder(memory.late, cross_encoder))
    return rows
