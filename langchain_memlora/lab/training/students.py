"""Rows for students from what a teacher taught.

The teacher saw long prompts; a student's rows are made by the functions that make its prompts at run time, so it learns the
same task from the short ones (prompt distillation). A bundle's dialect decides on the form.
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
from langchain_memlora.lab.training.bank import Case
from langchain_memlora.lab.training.cleaning import Cleaned, TaughtFact, TaughtOperation
from langchain_memlora.lab.training.rows import RELATED_TWICE, Annotated, Row, as_row, extraction_rows
from langchain_memlora.types import Event, Turn

UNRELATED = 2  # pairs a fact, as in rows cut from stories


@dataclass(frozen=True, slots=True)
class TaughtWindow:
    """A window and what became of the teacher's reply to it."""

    window: Window
    reply: Cleaned

    @property
    def facts(self) -> tuple[TaughtFact, ...]:
        """None where the reply was dropped; see `reply.dropped`."""
        return self.reply.value or ()


def taught_extraction(bundle: Bundle, sitting: Sequence[Turn], windows: Sequence[TaughtWindow]) -> list[Row]:
    """Rows for the extraction expert from one sitting.

    A student of the `lines` dialect gets the sitting cut anew into windows of every size, twice. Where a reply was dropped
    nobody knows what the turns tell, so the sitting is parted there.
    """
    if bundle.card.dialect == "json":
        return [
            as_row(render(bundle, Role.EXTRACTION, **Json().ask_extraction(taught.window).slots), taught.reply.target)
            for taught in windows
            if not taught.reply.dropped
        ]
    parts = _parts(sitting, windows)
    return [row for seed in (0, 1) for row in extraction_rows(bundle, parts, seed=seed)]


def _parts(sitting: Sequence[Turn], windows: Iterable[TaughtWindow]) -> list[list[Annotated]]:
    told: dict[str, list[tuple[str, bool]]] = {}
    unknown: set[str] = set()
    for taught in windows:
        if taught.reply.dropped:
            unknown |= {turn.id for turn in taught.window.turns}
        for fact in taught.facts:
            told.setdefault(taught.window.sources[fact.number].id, []).append((fact.sentence, fact.retracts))
    parts: list[list[Annotated]] = [[]]
    for turn in sitting:
        if turn.id in unknown:
            parts.append([])
        else:
            parts[-1].append(Annotated(turn, tuple(told.get(turn.id, ()))))
    return [part for part in parts if part]


def taught_update(bundle: Bundle, case: Case, reply: Cleaned) -> list[Row]:
    """Rows for the memory_update expert from one case.

    In the `json` dialect the target is the whole cleaned reply. In `lines`, each new fact is paired with the memory that it
    concerns and with the nearest that it does not; rows of untouched memories, if they were kept, become pairs labelled NONE.
    """
    if bundle.card.dialect == "json":
        old = [{"id": str(i), "text": memory.text} for i, memory in enumerate(case.shown)]
        new = [written_fact(fact) for fact in case.facts]
        slots = {"old": json.dumps(old, ensure_ascii=False), "new": json.dumps(new, ensure_ascii=False)}
        return [as_row(render(bundle, Role.MEMORY_UPDATE, **slots), reply.target)]
    operations: tuple[TaughtOperation, ...] = reply.value
    untouched = {op.target for op in operations if op.fact is None}
    rows = []
    for op in operations:
        if op.fact is None:
            continue
        # To forget what is not known is NONE for the whole fact, but says nothing about the memory that was named.
        nothing_to_forget = case.facts[op.fact].retracts and op.event is Event.NONE
        concerned = None if nothing_to_forget else op.target
        if concerned is not None:
            rows += [_pair(bundle, case, concerned, op.fact, op.event)] * RELATED_TWICE
        others = [position for position in case.near[op.fact] if position != concerned]
        for position in others[:UNRELATED]:
            event = Event.NONE if position in untouched else Event.ADD
            rows.append(_pair(bundle, case, position, op.fact, event))
    return rows


def _pair(bundle: Bundle, case: Case, old: int, new: int, event: Event) -> Row:
    ask = Lines().ask_update(case.facts[new], [case.shown[old]])[0]
    return as_row(render(bundle, Role.MEMORY_UPDATE, **ask.slots), event.value)


def taught_answer(bundle: Bundle, context: str, question: str, answer: str) -> Row:
    """A row for the generation expert."""
    return as_row(render(bundle, Role.GENERATION, context=context, question=question), answer)
