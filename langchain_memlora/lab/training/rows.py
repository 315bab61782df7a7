"""Cuts annotated histories into training rows, with the very functions that build prompts at run time.

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


class Row(TypedDict):
    """One training example."""

    prompt: list[Message]
    completion: list[Message]


@dataclass(frozen=True, slots=True)
class Annotated:
    """A turn with the rows an extraction expert should write for it: (sentence without subject, is it a retraction)."""

    turn: Turn
    facts: tuple[tuple[str, bool], ...]


def as_row(prompt: str, completion: str) -> Row:
    """Wrap a rendered prompt and its target."""
    return {
        "prompt": [{"role": "user", "content": prompt}],
        "completion": [{"role": "assistant", "content": completion}],
    }


def extraction_rows(
    bundle: Bundle, sessions: Iterable[Sequence[Annotated]], *, silence: float = 1.0, seed: int = 0
) -> list[Row]:
    """Windows of every size the run time may send, with the facts of their numbered turns as targets.

    Each session is cut twice: as `add` gets it from an agent (an exchange at a time) and in longer runs.

    Args:
        silence: Share of the windows without a fact that are kept.
    """
    chance = random.Random(seed)
    rows = []
    for session in sessions:
        told = {item.turn.id: item.facts for item in session}
        turns = [item.turn for item in session]
        start = 0
        while start < len(turns):
            size = chance.choice((1, 2, 2, 2, 3, 4))
            new, before = turns[start : start + size], turns[:start]
            context = chance.choice((0, 1, 2, 2))
            for window in cut_windows(new, before, new_turns=size, context_turns=context):
                if any(told[turn.id] for turn in window.sources.values()) or chance.random() < silence:
                    rows.append(_extraction_row(bundle, window, told))
            start += size
    return rows


def _extraction_row(bundle: Bundle, window: Window, told: dict[str, tuple[tuple[str, bool], ...]]) -> Row:
    lines = [
        fact_row(number, sentence, retracts=retracts)
        for number, turn in window.sources.items()
        for sentence, retracts in told[turn.id]
    ]
    prompt = render(bundle, Role.EXTRACTION, **Lines().ask_extraction(window).slots)
    return as_row(prompt, "\n".join(lines) or NO_FACTS)


def story_sessions(stories: Iterable[Story]) -> list[list[Annotated]]:
    """Each session of each story, with its facts."""
    sessions = []
    for story in stories:
        by_session: dict[str, list[Annotated]] = {}
        for turn, said in story.turns():
            # One wish to forget may concern several memories; it is told once.
            facts = tuple(dict.fromkeys((fact.fact, fact.forget is not None) for fact in said.facts))
            by_session.setdefault(turn.id.split(".")[0], []).append(Annotated(turn, facts))
        sessions += by_session.values()
    return sessions


def update_rows(bundle: Bundle, stories: Iterable[Story], *, per_fact: int = 2, seed: int = 0) -> list[Row]:
    """Pairs of a new fact and a memory known before it, with the relation between them.

    Every related pair is kept; unrelated ones are drawn from the same story, so that they share topic and people.
    """
    chance = random.Random(seed)
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
                near = _near(others, new, per_fact, chance)
                rows += [update_row(bundle, old.text, written_fact(new), Event.ADD) for old in near]
                if event in {Event.UPDATE, Event.DELETE}:
                    known.pop(target or "", None)
                if event in {Event.ADD, Event.UPDATE}:
                    known[item.id] = new
                    if chance.random() < 0.03:
                        rows.append(update_row(bundle, new.text, written_fact(new), Event.NONE))
    return rows


def _near(facts: Sequence[Fact], new: Fact, count: int, chance: random.Random) -> list[Fact]:
    """Mostly the facts that share most words with the new one, for these are the pairs retrieval brings up."""
    words = set(new.text.lower().split())
    ranked = sorted(facts, key=lambda fact: -len(words & set(fact.text.lower().split())) - chance.random())
    return ranked[:count]


def update_row(bundle: Bundle, old: str, new: str, event: Event) -> Row:
    """What the memory_update expert is asked of one pair, and what it should say."""
    return as_row(render(bundle, Role.MEMORY_UPDATE, old=old, new=new), event.value)
