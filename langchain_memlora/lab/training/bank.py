"""The memory bank that a teacher builds from one chat, for its later updates and for answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from langchain_core.embeddings import Embeddings

from langchain_memlora.experts import Window
from langchain_memlora.lab.temporary_index import temporary_index
from langchain_memlora.lab.training.cleaning import TaughtFact, TaughtOperation, fact_of
from langchain_memlora.ledger import Ledger, NewOperation
from langchain_memlora.retrieval import Include, build_context
from langchain_memlora.types import Event, Fact, Memory, Scope, Turn

CANDIDATES = 5  # for each fact, as Mem0 shows its model


@dataclass(frozen=True, slots=True)
class UpdateTask:
    """The new facts of one window, and the memories they may change.

    Attributes:
        shown: The candidates of all facts, each once.
        near: For each fact, the positions of its own candidates in `shown`, nearest first.
    """

    facts: tuple[Fact, ...]
    shown: tuple[Memory, ...]
    near: tuple[tuple[int, ...], ...]


class TaughtBank:
    """One chat in an indexed ledger, filled by a teacher's operations instead of an expert's.

    Args:
        file: The ledger to create.
        turns: The whole chat, in order.
    """

    def __init__(self, file: Path, scope: Scope, turns: Sequence[Turn], embeddings: Embeddings) -> None:
        self.scope = scope
        self.ledger = Ledger(file)
        stored, _ = self.ledger.append(scope, turns, lambda new, before: [])
        self._stored = {turn.message_id: turn.id for turn in stored}
        self._retriever = temporary_index(self.ledger, embeddings).retriever
        self._made = 0

    def task(self, facts: Sequence[TaughtFact], window: Window) -> UpdateTask:
        """Return the candidates among which a teacher decides on a window's facts."""
        new = tuple(fact_of(fact, window) for fact in facts)
        found = [self._retriever.candidates(fact.text, self.scope, k=CANDIDATES) for fact in new]
        shown = {memory.id: memory for memories in found for memory in memories}
        place = {key: position for position, key in enumerate(shown)}
        return UpdateTask(new, tuple(shown.values()), tuple(tuple(place[m.id] for m in memories) for memories in found))

    def apply(self, task: UpdateTask, operations: Sequence[TaughtOperation] | None) -> None:
        """Apply the teacher's operations; if they were unreadable, add every new fact, so that nothing is lost."""
        decided = {op.fact: op for op in operations or () if op.fact is not None}
        changes = []
        changed: set[int] = set()
        deleted: set[int] = set()
        for number, fact in enumerate(task.facts):
            op = decided.get(number)
            target = None if op is None or op.target in deleted else op.target
            if target is None and fact.retracts:
                continue
            if op is None or target is None or (op.event is Event.UPDATE and target in changed):
                event, memory_id = Event.ADD, self._new_id()  # two facts of one window are both true
            else:
                event, memory_id = op.event, task.shown[target].id
                (deleted if event is Event.DELETE else changed).add(target)
            changes.append(
                NewOperation(
                    event,
                    memory_id,
                    text=fact.text if event in {Event.ADD, Event.UPDATE} else "",
                    fact=fact.text,
                    turn_id=self._stored[fact.turn_id],
                    observed_at=fact.observed_at,
                )
            )
        self.ledger.commit(self.scope, changes)

    def read(self, question: str, *, k: int, budget: int, include: Include) -> str:
        """Return the context for a question."""
        return build_context(self._retriever.search(question, self.scope, k=k, include=include), budget=budget)

    def _new_id(self) -> str:
        """Count ids instead of drawing them: a resumed run must make the prompts of the killed one."""
        self._made += 1
        return f"{self._made:08}"

    def __enter__(self) -> TaughtBank:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.ledger.close()
