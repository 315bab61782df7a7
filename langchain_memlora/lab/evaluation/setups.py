"""Setups that answer questions about a conversation: the memory itself, and the baselines.

All share base model, embedder and, unless their sentence says otherwise, the trained reader; they differ in its context. Those
that differ in retrieval only read the ledger that the memory filled, so they need no ingestion of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from langchain_memlora.bundles import Role
from langchain_memlora.indexes.base import Kind
from langchain_memlora.retrieval.fusion import fuse
from langchain_memlora.types import Hit, Scope

if TYPE_CHECKING:
    from langchain_memlora.memory.memory import MemLoRAMemory

Find = Callable[["MemLoRAMemory", Scope, str, int], list[Hit]]
MEMLORA = "memlora"
FULL_CONTEXT_TOKENS = 4000
"""Tokens that fit the base model's window with room to answer, counted as four characters each."""


@dataclass(frozen=True)
class Setup:
    """One way to answer.

    Attributes:
        find: `(memory, scope, question, k)` to the best hits, best first.
        without: Experts that are switched off and replaced by the base model.
        budget: Tokens of context; default: the run's.
        every_hit: Only the budget limits the context, not the number of hits.
    """

    name: str
    sentence: str
    find: Find
    without: tuple[Role, ...] = ()
    budget: int | None = None
    every_hit: bool = False

    @property
    def writers_off(self) -> tuple[Role, ...]:
        """The switched-off experts among those that fill the memory; they determine the store that is read."""
        return tuple(role for role in self.without if role is not Role.GENERATION)


def _everything(memory: MemLoRAMemory, scope: Scope, question: str, k: int) -> list[Hit]:
    return memory.search(question, user_id=scope.user_id, k=k)


def _facts(memory: MemLoRAMemory, scope: Scope, question: str, k: int) -> list[Hit]:
    return memory.search(question, user_id=scope.user_id, k=k, include="memories")


def _facts_alone(memory: MemLoRAMemory, scope: Scope, question: str, k: int) -> list[Hit]:
    """Search facts without their turns: the paper's memory has facts only."""
    return [replace(hit, turns=()) for hit in _facts(memory, scope, question, k)]


def _fused_turns(memory: MemLoRAMemory, scope: Scope, question: str, k: int) -> list[Hit]:
    return _turns(memory, scope, question, k, dense=(Kind.TURN, Kind.WINDOW), lexical=(Kind.TURN, Kind.WINDOW))


def _dense_turns(memory: MemLoRAMemory, scope: Scope, question: str, k: int) -> list[Hit]:
    return _turns(memory, scope, question, k, dense=(Kind.TURN,))


def _lexical_turns(memory: MemLoRAMemory, scope: Scope, question: str, k: int) -> list[Hit]:
    return _turns(memory, scope, question, k, lexical=(Kind.TURN,))


def _newest_turns(memory: MemLoRAMemory, scope: Scope, question: str, k: int) -> list[Hit]:
    turns = memory.services.ledger.all_turns(scope)[::-1]
    return [Hit(None, (turn,), 1 / (rank + 1)) for rank, turn in enumerate(turns)]


def _nothing(memory: MemLoRAMemory, scope: Scope, question: str, k: int) -> list[Hit]:
    return []


def _turns(
    memory: MemLoRAMemory,
    scope: Scope,
    question: str,
    k: int,
    *,
    dense: tuple[Kind, ...] = (),
    lexical: tuple[Kind, ...] = (),
) -> list[Hit]:
    """Search turns without any use of facts, neither as keys nor for their history."""
    ledger, index = memory.services.ledger, memory.services.index()
    rankings = index.nearest_each(question, scope.user_id, dense, max(k, 30))
    rankings += [ledger.lexical(scope, kind, question, max(k, 30)) for kind in lexical]
    scores = fuse(rankings)
    best = list(scores)[:k]
    turns = ledger.turns(best)
    return [Hit(None, (turns[key],), scores[key]) for key in best if key in turns]


_OFF = (Role.EXTRACTION, Role.MEMORY_UPDATE, Role.GENERATION)

SETUPS: dict[str, Setup] = {
    setup.name: setup
    for setup in (
        Setup(MEMLORA, "the memory as shipped: facts as keys, turns as evidence", _everything),
        Setup("facts", "facts alone, the paper's form of memory", _facts_alone),
        Setup("turns", "raw turns, dense and lexical search fused, no facts", _fused_turns),
        Setup("dense", "raw turns by embedding", _dense_turns),
        Setup("bm25", "raw turns by BM25", _lexical_turns),
        Setup("full-context", "the newest turns that fit", _newest_turns, budget=FULL_CONTEXT_TOKENS, every_hit=True),
        Setup("no-memory", "nothing to read", _nothing),
        Setup("no-reader", "as memlora, base model at generation", _everything, _OFF[2:]),
        Setup("extraction-only", "as memlora, base model at update and generation", _everything, _OFF[1:]),
        Setup("no-experts", "as memlora, base model at every stage", _everything, _OFF),
    )
}
"""All setups, by name. The last three and `memlora` are the stages of the paper's Table 4."""

STAGES = ("no-experts", "extraction-only", "no-reader", MEMLORA)
