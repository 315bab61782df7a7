"""Splitting of a quotation of which one part changes: the parts become memories of their own, and one of them changes.

A memory in own words may state several things. If a fact concerns some of its clauses only, the memory keeps the others, those
concerned become another memory, and the UPDATE or DELETE is of that one. So history, `restore` and the withholding of messages
work as for any memory.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from langchain_memlora.experts.choosing import points_back
from langchain_memlora.experts.clauses import cut_clauses
from langchain_memlora.experts.dialects.spans import quotation
from langchain_memlora.experts.sentences import Sentence
from langchain_memlora.experts.windows import one_line, speaker_of
from langchain_memlora.ledger import NewOperation, new_id
from langchain_memlora.types import Event, Memory, Span, Turn

SPLIT = "split"
GAP = " ... "


@dataclass(frozen=True, slots=True)
class Quotation:
    """A memory in own words, with its clauses, whose offsets are in the words of its turn."""

    memory: Memory
    turn: Turn
    clauses: tuple[Sentence, ...]

    def part(self, indices: Collection[int]) -> tuple[str, Span]:
        """Return some clauses, at least one, as the text of a memory and the span that they are in."""
        ends = [(self.clauses[run[0]].start, self.clauses[run[-1]].end) for run in runs(indices)]
        words = GAP.join(self.turn.words[start:end] for start, end in ends)
        asked = self.memory.said.asked if self.memory.said and 0 in indices else ""
        text = quotation(speaker_of(self.turn), words)
        return f"{asked} {text}" if asked else text, Span(ends[0][0], ends[-1][1], asked)

    def asked_about(self, index: int) -> Memory:
        """Return the memory that a clause would be; one that points back is shown with the clauses before it."""
        first = index
        while first and points_back(self.clauses[first].text):
            first -= 1
        return replace(self.memory, text=self.part(range(first, index + 1))[0])


@dataclass(frozen=True, slots=True)
class Part:
    """The clauses of a quotation that a decision is about: some of them, never all."""

    quotation: Quotation
    indices: tuple[int, ...]


def cut_quotation(memory: Memory, turn: Turn | None) -> Quotation | None:
    """Return a memory in own words with its clauses; `None` for another memory, or one of a single clause."""
    if memory.form != "said" or memory.said is None or turn is None:
        return None
    span = memory.said
    words = turn.words[span.start : span.end]
    if not memory.text.endswith(quotation(speaker_of(turn), words)):
        return None
    clauses = [
        Sentence(span.start + c.start, span.start + c.end, c.text) for c in cut_clauses(words) if one_line(c.text)
    ]
    return Quotation(memory, turn, tuple(clauses)) if len(clauses) > 1 else None


class Splitter:
    """Makes the operations that split quotations, and follows who holds their clauses through one batch of decisions."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}  # what the memories that this batch changed hold, by the id of the fact
        self._holders: dict[str, dict[str, list[int]]] = {}  # by quotation: its clauses, by the memory that holds them

    def holds(self, memory_id: str, quotation_id: str) -> None:
        """Note that a memory's text is now another one, which later decisions may know by another id."""
        self._texts[memory_id] = quotation_id
        for holders in self._holders.values():
            holders.pop(memory_id, None)

    def whole(self, memory_id: str) -> list[str]:
        """Return the memories that hold the clauses of a memory: itself, and those split from it."""
        return [memory_id, *(key for key in self._holders.get(memory_id, ()) if key != memory_id)]

    def take(self, part: Part, memory_id: str, job_id: str, *, forget: bool) -> tuple[list[NewOperation], list[str]]:
        """Return operations, and the ids of the memories that hold exactly these clauses after them.

        Args:
            forget: Also give clauses that this batch superseded a memory, so that deleting it withholds their message.
        """
        cut = part.quotation
        known = self._texts.get(memory_id, memory_id) == cut.memory.id
        first = {memory_id: [*range(len(cut.clauses))]} if known else {}
        holders = self._holders.setdefault(cut.memory.id, first)
        changes: list[NewOperation] = []
        wholly: list[str] = []
        loose = [i for i in part.indices if forget and not any(i in held for held in holders.values())]
        for key, held in [*holders.items()]:
            kept = [i for i in held if i not in part.indices]
            if not kept:
                wholly.append(key)
            elif len(kept) < len(held):
                loose += [i for i in held if i in part.indices]
                stays, *others = runs(kept)
                holders[key] = stays
                changes.append(_change(Event.UPDATE, key, cut, stays, job_id))
                for run in others:
                    holders[new := new_id()] = run
                    changes.append(_change(Event.ADD, new, cut, run, job_id, memory_id))
        if loose:
            wholly.append(new := new_id())
            holders[new] = sorted(loose)
            changes.append(_change(Event.ADD, new, cut, sorted(loose), job_id, memory_id))
        return changes, wholly


def runs(indices: Collection[int]) -> list[list[int]]:
    """Return numbers in order, in runs without gaps."""
    pairs = groupby(enumerate(sorted(indices)), lambda pair: pair[1] - pair[0])
    return [[index for _, index in run] for _, run in pairs]


def _change(
    event: Event, memory_id: str, cut: Quotation, indices: Sequence[int], job_id: str, split_from: str | None = None
) -> NewOperation:
    text, span = cut.part(indices)
    return NewOperation(
        event,
        memory_id,
        text,
        turn_id=cut.turn.id,
        observed_at=cut.memory.observed_at,
        by=SPLIT,
        job_id=job_id,
        metadata=cut.memory.metadata,
        form="said",
        said=span,
        split_from=split_from,
    )
