"""Annotated chat histories in the story format (docs/training.md): by default the held-out ones with an assistant.

Their author had not seen the training stories. A question about something that changed has the superseded text, by which
stale answers are recognised.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path

from langchain_memlora.errors import InvalidInputError
from langchain_memlora.experts.dialects.lines import read_fact
from langchain_memlora.lab.evaluation.conversations import ABSTAIN, AnnotatedFact, AnnotatedQuestion, Conversation
from langchain_memlora.lab.training.stories import WHEN, Story, StoryFact, StoryQuestion, load_stories
from langchain_memlora.retrieval import find_dates
from langchain_memlora.types import Event, Fact, Turn

ASSISTANT = (
    Path(str(resources.files("langchain_memlora"))) / "lab" / "evaluation" / "datasets" / "data" / "assistant.jsonl"
)


def load_histories(path: str | Path = ASSISTANT, numbers: Sequence[int] | None = None) -> list[Conversation]:
    """Load histories by their place in the file, counted from 1.

    Raises:
        InvalidInputError: The file is missing, a line is not a story, or it has no such place.
    """
    try:
        stories = load_stories(Path(path))
        return [_conversation(stories[place - 1]) for place in numbers or range(1, len(stories) + 1)]
    except (OSError, IndexError) as error:
        msg = f"{path} can't be read as histories ({error!r}). Pass a JSONL file of stories, and places from 1."
        raise InvalidInputError(msg) from error


def _conversation(story: Story) -> Conversation:
    turns: list[Turn] = []
    facts: dict[str, tuple[StoryFact, Fact]] = {}
    for turn, said in story.turns():
        turns.append(replace(turn, id="", message_id=turn.id))
        facts |= {fact.id: (fact, read_fact(fact.fact, turn)) for fact in said.facts}
    known = {turn.message_id for turn in turns}
    questions = [_question(story.id, number, given, facts, known) for number, given in enumerate(story.questions)]
    annotated = tuple(AnnotatedFact(fact.text, fact.turn_id) for _, fact in facts.values())
    return Conversation(story.id, tuple(turns), tuple(question for question in questions if question), annotated)


def _question(
    name: str, number: int, given: StoryQuestion, facts: dict[str, tuple[StoryFact, Fact]], known: set[str]
) -> AnnotatedQuestion | None:
    """Return a question with its gold answer in full; `None` if that is a date that can't be resolved."""
    gold = given.a
    if gold is not None and (dated := WHEN.fullmatch(gold)):
        fact = facts[dated[1]][1]
        spans = find_dates(fact.text, fact.observed_at)
        if not spans:
            return None
        gold = spans[0].describe()
    named = [facts[key] for key in given.sources if key in facts]
    # A source that is not a fact is a turn, named by its place in the story.
    evidence = {fact.turn_id for _, fact in named} | ({f"{name}/{key}" for key in given.sources} & known)
    stale = next((_before(item, facts) for item, _ in named if item.relation[0] is Event.UPDATE), None)
    category = (
        "unanswerable" if gold is None else "changed" if stale else "date" if "{when" in (given.a or "") else "plain"
    )
    return AnnotatedQuestion(
        f"{name}/{number}", given.q, ABSTAIN if gold is None else gold, category, frozenset(evidence), stale
    )


def _before(item: StoryFact, facts: dict[str, tuple[StoryFact, Fact]]) -> str:
    """Return the text that a fact superseded."""
    return facts[item.relation[1] or ""][1].text
