"""Cuts annotated histories into training rows, with the functions that build prompts at run time.

One row is `{"prompt": [user message], "completion": [assistant message]}`, the conversational form TRL trains on.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypedDict

from langchain_memlora.bundles.bundle import Bundle
from langchain_memlora.bundles.roles import Role
from langchain_memlora.experts.dialects.base import written_fact
from langchain_memlora.experts.dialects.lines import NO_FACTS, Lines, fact_row, read_fact
from langchain_memlora.experts.prompts import render
from langchain_memlora.experts.windows import Window, cut_windows
from langchain_memlora.lab.training.stories import Story
from langchain_memlora.types import Event, Fact, Turn

# Related pairs are one in eight even after drawing only two unrelated ones a fact: they are shown twice.
RELATED_TWICE = 2


class Message(TypedDict):
    """A chat message."""

    role: str
    content: str


class TextRow(TypedDict):
    """One training example."""

    prompt: list[Message]
    completion: list[Message]


@dataclass(frozen=True, slots=True)
class AnnotatedTurn:
    """A turn with its facts, as (sentence without subject, whether it is a retraction)."""

    turn: Turn
    facts: tuple[tuple[str, bool], ...]


def as_row(prompt: str, completion: str) -> TextRow:
    """Wrap a rendered prompt and its target."""
    return {
        "prompt": [{"role": "user", "content": prompt}],
        "completion": [{"role": "assistant", "content": completion}],
    }


def extraction_rows(
    bundle: Bundle, sessions: Iterable[Sequence[AnnotatedTurn]], *, silence: float = 1.0, seed: int = 0
) -> list[TextRow]:
    """Return windows of all sizes that occur at run time, with the facts of their numbered turns as targets.

    Sizes are random: mostly an exchange, as `add` gets it from an agent, else up to four turns.

    Args:
        silence: Share of the windows without a fact that are kept.
    """
    rng = random.Random(seed)
    rows = []
    for session in sessions:
        facts = {item.turn.id: item.facts for item in session}
        turns = [item.turn for item in session]
        start = 0
        while start < len(turns):
            size = rng.choice((1, 2, 2, 2, 3, 4))
            new, before = turns[start : start + size], turns[:start]
            context = rng.choice((0, 1, 2, 2))
            for window in cut_windows(new, before, new_turns=size, context_turns=context):
                if any(facts[turn.id] for turn in window.sources.values()) or rng.random() < silence:
                    rows.append(_extraction_row(bundle, window, facts))
            start += size
    return rows


def _extraction_row(bundle: Bundle, window: Window, facts: dict[str, tuple[tuple[str, bool], ...]]) -> TextRow:
    lines = [
        fact_row(number, sentence, retracts=retracts)
        for number, turn in window.sources.items()
        for sentence, retracts in facts[turn.id]
    ]
    prompt = render(bundle, Role.EXTRACTION, **Lines().ask_extraction(window)[0].slots)
    return as_row(prompt, "\n".join(lines) or NO_FACTS)


def story_sessions(stories: Iterable[Story]) -> list[list[AnnotatedTurn]]:
    """Return each session of each story, with its facts."""
    sessions: list[list[AnnotatedTurn]] = []
    for story in stories:
        by_session: dict[str, list[AnnotatedTurn]] = {}
        for turn, said in story.turns():
            # One request to forget may concern several memories; it is one fact.
            facts = tuple(dict.fromkeys((fact.fact, fact.forget is not None) for fact in said.facts))
            by_session.setdefault(turn.id.split(".")[0], []).append(AnnotatedTurn(turn, facts))
        sessions += by_session.values()
    return sessions


def update_rows(bundle: Bundle, stories: Iterable[Story], *, per_fact: int = 2, seed: int = 0) -> list[TextRow]:
    """Return pairs of a new fact and an earlier memory, with the relation between them.

    Every related pair is kept; unrelated ones are drawn from the same story, so that they share topic and people.
    """
    rng = random.Random(seed)
    rows = []
    for story in stories:
        known: dict[str, Fact] = {}
        for turn, said in story.turns():
            unwanted = {item.forget for item in said.facts}
            for item in said.facts:
                event, target = item.relation
                new = read_fact(item.fact, turn)
                new = Fact(new.text, new.turn_id, new.observed_at, retracts=event is Event.DELETE)
                # "forget my ex" concerns all memories that the message has forgotten, not only its own.
                related = unwanted if event is Event.DELETE else {target}
                others = [known[key] for key in known if key not in related]
                if target in known:
                    rows += [update_row(bundle, known[target].text, written_fact(new), event)] * RELATED_TWICE
                near = _near(others, new, per_fact, rng)
                rows += [update_row(bundle, old.text, written_fact(new), Event.ADD) for old in near]
                if event in {Event.UPDATE, Event.DELETE}:
                    known.pop(target or "", None)
                if event in {Event.ADD, Event.UPDATE}:
                    known[item.id] = new
                    if rng.random() < 0.03:
                        rows.append(update_row(bundle, new.text, written_fact(new), Event.NONE))
    return rows


def _near(facts: Sequence[Fact], new: Fact, count: int, rng: random.Random) -> list[Fact]:
    """Return the facts that share most words with the new one, as retrieval does; ties at random."""
    words = set(new.text.lower().split())
    ranked = sorted(facts, key=lambda fact: -len(words & set(fact.text.lower().split())) - rng.random())
    return ranked[:count]


def update_row(bundle: Bundle, old: str, new: str, event: Event) -> TextRow:
    """Return the memory_update expert's prompt for a pair, with its target."""
    return as_row(render(bundle, Role.MEMORY_UPDATE, old=old, new=new), event.value)
