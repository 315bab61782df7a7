"""Texts of a story's facts as memories: a sentence, or the quotation that the `spans` dialect would store.

A quotation is the sentence of the message that shares most content words with the fact; it may state other facts too.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import NamedTuple

from langchain_memlora.experts.dialects.base import written_fact
from langchain_memlora.experts.dialects.lines import read_fact
from langchain_memlora.experts.dialects.spans import quotation
from langchain_memlora.experts.origin import Origin
from langchain_memlora.experts.windows import speaker_of
from langchain_memlora.lab.training.stories import Story, StoryFact
from langchain_memlora.types import Event, Span, Turn

QUOTED = 0.5
"""Share of the texts that are quotations."""


class Quotation(NamedTuple):
    """A text in the speaker's own words, its place, and the ids of the facts of its message that it states."""

    text: str
    said: Span
    facts: tuple[str, ...]


def quotations(turn: Turn, facts: Sequence[StoryFact]) -> dict[str, Quotation]:
    """Return the quotation of each fact of a turn, by id; a fact that shares no content word with the turn has none.

    Example:
        ```python
        from datetime import datetime, timezone
        from langchain_memlora.lab.training.fact_texts import quotations
        from langchain_memlora.lab.training.stories import StoryFact
        from langchain_memlora.types import Scope, Turn

        turn = Turn("t1", Scope("ana"), "user", "Hi! I moved to Berlin. Any tips?", datetime.now(timezone.utc))
        found = quotations(turn, [StoryFact(id="f1", fact="lives in Berlin")])
        assert found["f1"].text == 'User: "I moved to Berlin."'
        ```
    """
    origin = Origin(turn.text)
    places = {fact.id: place for fact in facts if (place := origin.find(fact.fact)) is not None}
    found: dict[str, Quotation] = {}
    for key, last in places.items():
        start, end = origin.offsets(last)
        text = quotation(speaker_of(turn), turn.text[start:end])
        quoted = tuple(other for other, place in places.items() if origin.first(last) <= place <= last)
        found[key] = Quotation(text, Span(start, end), quoted)
    return found


class FactTexts:
    """Texts of the facts of one story, for pairs of a memory and a new fact.

    Args:
        quoted: Share of the texts that are quotations.
    """

    def __init__(self, story: Story, quoted: float, rng: random.Random) -> None:
        self._quoted = quoted
        self._rng = rng
        self._relations: dict[str, tuple[Event, set[str]]] = {}
        self._sentences: dict[str, str] = {}
        self._quotations: dict[str, Quotation] = {}
        self._same: dict[str, str] = {}
        self._outdated: set[str] = set()
        for turn, said in story.turns():
            relations = {fact.id: fact.relation for fact in said.facts}
            requests = {key for key, (event, _) in relations.items() if event is Event.DELETE}
            for key, (event, target) in relations.items():
                self._same[key] = self._same[target] if target and event is Event.NONE else key
            unwanted = {self._same[target] for key, (_, target) in relations.items() if target and key in requests}
            written = {
                item.id: replace(read_fact(item.fact, turn), retracts=item.id in requests) for item in said.facts
            }
            for key, (event, target) in relations.items():
                self._relations[key] = (event, unwanted if event is Event.DELETE else {self._same[target or key]})
                self._sentences[key] = written_fact(written[key])
            for key, found in quotations(turn, said.facts).items() if quoted else ():
                # A sentence that both states something and asks to forget something is one or the other at run time.
                if len({fact in requests for fact in found.facts}) == 1:
                    text = written_fact(replace(written[key], text=found.text))
                    self._quotations[key] = found._replace(text=text)

    def pair(self, old: str, new: str, event: Event) -> tuple[str, str]:
        """Return the texts of a memory and of a new fact, each quoted or not at random.

        Both are sentences if the quotations, with the other facts that they state, call for another operation than `event`.
        """
        quoted_old, quoted_new = (self._quotations.get(key) if self._draws() else None for key in (old, new))
        old_facts = {self._same[key] for key in (quoted_old.facts if quoted_old else (old,))}
        new_facts = quoted_new.facts if quoted_new else (new,)
        fits = self._operation(old_facts, new_facts) is event and not (quoted_old and old_facts & self._outdated)
        return (
            quoted_old.text if fits and quoted_old else self._sentences[old],
            quoted_new.text if fits and quoted_new else self._sentences[new],
        )

    def outdate(self, facts: Sequence[StoryFact]) -> None:
        """Mark what the facts of a turn change or forget: a quotation that states it is no memory any more."""
        for event, targets in (self._relations[fact.id] for fact in facts):
            if event in {Event.UPDATE, Event.DELETE}:
                self._outdated |= targets

    def _draws(self) -> bool:
        return self._rng.random() < self._quoted

    def _operation(self, old: Collection[str], new: Collection[str]) -> Event | None:
        """Return the operation for facts stated together; `None` if they repeat the memory and state something else."""
        events = {self._relation(key, old) for key in new}
        for event in (Event.DELETE, Event.UPDATE):
            if event in events:
                return event
        return events.pop() if len(events) == 1 else None

    def _relation(self, key: str, old: Collection[str]) -> Event:
        if self._same[key] in old:
            return Event.NONE
        event, targets = self._relations[key]
        return Event.ADD if targets.isdisjoint(old) else event
