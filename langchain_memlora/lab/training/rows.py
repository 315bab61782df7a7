"""Cuts annotated histories into training rows, with the functions that build prompts at run time.

One row is `{"prompt": [user message], "completion": [assistant message]}`, the conversational form TRL trains on.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

from langchain_memlora.bundles.bundle import Bundle
from langchain_memlora.bundles.roles import Role
from langchain_memlora.experts.dialects.lines import NO_FACTS, Lines, fact_row, read_fact
from langchain_memlora.experts.dialects.spans import Spans
from langchain_memlora.experts.prompts import render
from langchain_memlora.experts.windows import Window, cut_windows
from langchain_memlora.lab.training.fact_texts import QUOTED, FactTexts
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


def update_rows(
    bundle: Bundle, stories: Iterable[Story], *, per_fact: int = 2, quoted: float = QUOTED, seed: int = 0
) -> list[TextRow]:
    """Return pairs of a new fact and an earlier memory, with the relation between them.

    Every related pair is kept; unrelated ones are drawn from the same story, so that they share topic and people.

    Args:
        quoted: Share of the facts and memories that are quotations, for a bundle of the `spans` dialect; others have none.
            It changes neither the pairs nor their relations.
    """
    rng, forms = random.Random(seed), random.Random(f"forms {seed}")
    share = quoted if bundle.card.dialect == Spans.name else 0.0
    rows = []
    for story in stories:
        texts = FactTexts(story, share, forms)
        known: dict[str, Fact] = {}
        for turn, said in story.turns():
            unwanted = {item.forget for item in said.facts}
            for item in said.facts:
                event, target = item.relation
                # "forget my ex" concerns all memories that the message has forgotten, not only its own.
                related = unwanted if event is Event.DELETE else {target}
                new = read_fact(item.fact, turn)
                pairs = [(target, event)] * RELATED_TWICE if target and target in known else []
                others = {key: fact for key, fact in known.items() if key not in related}
                pairs += [(key, Event.ADD) for key in _near(others, new, per_fact, rng)]
                if event in {Event.UPDATE, Event.DELETE}:
                    known.pop(target or "", None)
                if event in {Event.ADD, Event.UPDATE}:
                    known[item.id] = new
                    if rng.random() < 0.03:
                        pairs.append((item.id, Event.NONE))
                rows += [update_row(bundle, *texts.pair(old, item.id, kind), kind) for old, kind in pairs]
            texts.outdate(said.facts)
    return rows


def balanced(rows: Sequence[TextRow], unrelated: float, seed: int) -> list[TextRow]:
    """Drop rows of unrelated pairs at random, down to `unrelated` for each related pair.

    Retrieval shows mostly memories that a fact has nothing to do with, but these are soon told apart, and learned at the
    expense of changes. Without related pairs there is nothing to balance, and all rows are kept.
    """
    others = [number for number, row in enumerate(rows) if row["completion"][0]["content"] == Event.ADD.value]
    related = len(rows) - len(others)
    most = round(unrelated * related) if related else len(others)
    dropped = set(random.Random(seed).sample(others, max(0, len(others) - most)))
    return [row for number, row in enumerate(rows) if number not in dropped]


def _near(facts: Mapping[str, Fact], new: Fact, count: int, rng: random.Random) -> list[str]:
    """Return the keys of the facts that share most words with the new one, as retrieval does; ties at random."""
    words = set(new.text.lower().split())
    ranked = sorted(facts, key=lambda key: -len(words & set(facts[key].text.lower().split())) - rng.random())
    return ranked[:count]


def update_row(bundle: Bundle, old: str, new: str, event: Event) -> TextRow:
    """Return the memory_update expert's prompt for a pair, with its target."""
    return as_row(render(bundle, Role.MEMORY_UPDATE, old=old, new=new), event.value)
