"""Rows for students, from a teacher's cleaned replies.

The teacher reads long prompts; a student's rows are made by the functions that make its prompts at run time, so it learns the
same task from short ones (prompt distillation). The bundle's dialect sets the form.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from langchain_memlora.bundles import Bundle, Role
from langchain_memlora.experts import Window
from langchain_memlora.experts.dialects import Json, Lines
from langchain_memlora.experts.dialects.base import written_fact
from langchain_memlora.experts.prompts import render
from langchain_memlora.lab.training.bank import UpdateTask
from langchain_memlora.lab.training.cleaning import TaughtFact, TaughtOperation
from langchain_memlora.lab.training.replies import Cleaned
from langchain_memlora.lab.training.rows import RELATED_TWICE, AnnotatedTurn, TextRow, as_row, extraction_rows
from langchain_memlora.lab.training.taught_sentences import taught_sentences
from langchain_memlora.types import Event, Turn

UNRELATED = 2  # pairs a fact, as in rows cut from stories


@dataclass(frozen=True, slots=True)
class TaughtWindow:
    """A window with the teacher's cleaned reply."""

    window: Window
    reply: Cleaned

    @property
    def facts(self) -> tuple[TaughtFact, ...]:
        """The facts; empty if the reply was dropped."""
        return self.reply.value or ()


def taught_extraction(bundle: Bundle, sitting: Sequence[Turn], windows: Sequence[TaughtWindow]) -> list[TextRow]:
    """Return rows for the extraction expert from one sitting.

    For the `spans` dialect each sentence is a row. For `lines` the sitting is cut twice into freshly sampled windows. Turns
    whose reply was dropped have unknown facts, so the sitting is split there.
    """
    if bundle.card.dialect == "json":
        return [
            as_row(
                render(bundle, Role.EXTRACTION, **Json().ask_extraction(taught.window)[0].slots), taught.reply.target
            )
            for taught in windows
            if not taught.reply.dropped
        ]
    parts = _parts(sitting, windows)
    if bundle.card.dialect == "spans":
        return taught_sentences(bundle, parts)
    return [row for seed in (0, 1) for row in extraction_rows(bundle, parts, seed=seed)]


def _parts(sitting: Sequence[Turn], windows: Iterable[TaughtWindow]) -> list[list[AnnotatedTurn]]:
    facts: dict[str, list[tuple[str, bool]]] = {}
    unknown: set[str] = set()
    for taught in windows:
        if taught.reply.dropped:
            unknown |= {turn.id for turn in taught.window.turns}
        for fact in taught.facts:
            facts.setdefault(taught.window.sources[fact.number].id, []).append((fact.sentence, fact.retracts))
    parts: list[list[AnnotatedTurn]] = [[]]
    for turn in sitting:
        if turn.id in unknown:
            parts.append([])
        else:
            parts[-1].append(AnnotatedTurn(turn, tuple(facts.get(turn.id, ()))))
    return [part for part in parts if part]


def taught_update(bundle: Bundle, task: UpdateTask, reply: Cleaned) -> list[TextRow]:
    """Return rows for the memory_update expert from one task.

    In the `json` dialect the target is the whole cleaned reply. In the others, each new fact is paired with the memory that it
    concerns and with the nearest that it does not; rows of untouched memories, if they were kept, become pairs labelled NONE.
    """
    if bundle.card.dialect == "json":
        old = [{"id": str(i), "text": memory.text} for i, memory in enumerate(task.shown)]
        new = [written_fact(fact) for fact in task.facts]
        slots = {"old": json.dumps(old, ensure_ascii=False), "new": json.dumps(new, ensure_ascii=False)}
        return [as_row(render(bundle, Role.MEMORY_UPDATE, **slots), reply.target)]
    operations: tuple[TaughtOperation, ...] = reply.value
    untouched = {op.target for op in operations if op.fact is None}
    rows = []
    for op in operations:
        if op.fact is None:
            continue
        # A request to forget something unknown is NONE as a whole, but is no label for the memory that was named.
        nothing_to_forget = task.facts[op.fact].retracts and op.event is Event.NONE
        concerned = None if nothing_to_forget else op.target
        if concerned is not None:
            rows += [_pair(bundle, task, concerned, op.fact, op.event)] * RELATED_TWICE
        others = [position for position in task.near[op.fact] if position != concerned]
        for position in others[:UNRELATED]:
            event = Event.NONE if position in untouched else Event.ADD
            rows.append(_pair(bundle, task, position, op.fact, event))
    return rows


def _pair(bundle: Bundle, task: UpdateTask, old: int, new: int, event: Event) -> TextRow:
    ask = Lines().ask_update(task.facts[new], [task.shown[old]])[0]
    return as_row(render(bundle, Role.MEMORY_UPDATE, **ask.slots), event.value)


def taught_answer(bundle: Bundle, context: str, question: str, answer: str) -> TextRow:
    """Return a row for the generation expert."""
    return as_row(render(bundle, Role.GENERATION, context=context, question=question), answer)
