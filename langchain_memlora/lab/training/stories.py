"""Annotated chat histories: the training data written for this project, under its licence.

A story is dated sessions of turns; each turn by a person lists the facts it states, and how each relates to an earlier one
(`updates`, `same`, `forget`). Questions with short answers follow. One JSON object a line; the shipped ones are in
`data/stories/`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from langchain_memlora.lab.training.json_lines import read_lines, shipped
from langchain_memlora.types import Event, Scope, Turn

WHEN = re.compile(r"\{when:(\w+)\}")


class StoryFact(BaseModel):
    """One fact, without its subject (the turn's writer)."""

    model_config = ConfigDict(extra="forbid")

    id: str
    fact: str
    updates: str | None = None
    same: str | None = None
    forget: str | None = None

    @property
    def relation(self) -> tuple[Event, str | None]:
        """The operation for this fact, and the earlier fact it is about."""
        for event, target in ((Event.UPDATE, self.updates), (Event.NONE, self.same), (Event.DELETE, self.forget)):
            if target:
                return event, target
        return Event.ADD, None


class StoryTurn(BaseModel):
    """One message. Assistants state no facts."""

    model_config = ConfigDict(extra="forbid")

    by: str
    say: str
    facts: list[StoryFact] = []

    @property
    def role(self) -> Literal["user", "assistant"]:
        """`assistant`, or `user` for everyone else."""
        return "assistant" if self.by == "assistant" else "user"


class StorySession(BaseModel):
    """Turns on one day."""

    model_config = ConfigDict(extra="forbid")

    date: str
    turns: list[StoryTurn]

    @property
    def observed_at(self) -> datetime:
        """Time of the session."""
        return datetime.strptime(self.date, "%Y-%m-%d %H:%M").replace(tzinfo=UTC)


class StoryQuestion(BaseModel):
    """A question.

    `a` is `None` if the story does not have the answer, and `{when:f1}` for the date in fact f1. `from` names the facts with
    the answer, or turns as `session.turn`, both counted from 0. `kind` is `single`, `changed`, `when`, `before`, `list`,
    `person` or `unknown` in the shipped stories that state it; it has no effect.
    """

    model_config = ConfigDict(extra="forbid")

    q: str
    a: str | None
    sources: list[str] = Field(alias="from")
    kind: str = ""


class Story(BaseModel):
    """One history with its facts and questions; one for `validation` is never trained on."""

    model_config = ConfigDict(extra="forbid")

    id: str
    sessions: list[StorySession]
    questions: list[StoryQuestion] = []
    validation: bool = False

    @model_validator(mode="after")
    def _relations_point_back(self) -> Story:
        seen: set[str] = set()
        turns: set[str] = set()
        for given, turn in self.turns():
            turns.add(place_of(given))
            for fact in turn.facts:
                if fact.id in seen:
                    msg = f"story {self.id} has two facts {fact.id}"
                    raise ValueError(msg)
                target = fact.relation[1]
                if target and target not in seen:
                    msg = f"fact {fact.id} of story {self.id} relates to {target}, which does not come before it"
                    raise ValueError(msg)
                seen.add(fact.id)
        named = {source for question in self.questions for source in question.sources}
        dated = {key for question in self.questions for key in WHEN.findall(question.a or "")}
        if lost := (named - seen - turns) | (dated - seen):
            msg = f"questions of story {self.id} name unknown facts or turns {sorted(lost)}"
            raise ValueError(msg)
        return self

    def turns(self) -> Iterator[tuple[Turn, StoryTurn]]:
        """Yield all turns in order, each as the ledger would hold it."""
        scope = Scope(self.id)
        for s, session in enumerate(self.sessions):
            for t, turn in enumerate(session.turns):
                speaker = None if turn.by in {"user", "assistant"} else turn.by
                yield (
                    Turn(f"{self.id}/{s}.{t}", scope, turn.role, turn.say, session.observed_at, "given", speaker),
                    turn,
                )


def place_of(turn: Turn) -> str:
    """Return a turn's place in its story, as questions name it: `session.turn`."""
    return turn.id.rsplit("/", 1)[1]


def load_stories(*paths: Path) -> list[Story]:
    """Load stories from JSONL files; without arguments, the shipped ones.

    Raises:
        InvalidInputError: A line is not a story; the message names file and line.

    Example:
        ```python
        from langchain_memlora.lab.training.stories import load_stories

        print(len(load_stories()), "stories")
        ```
    """
    return read_lines(paths or shipped("stories"), Story, "story", "See docs/training.md for the format.")
