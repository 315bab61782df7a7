"""What every data set is read into: conversations with questions, and annotated facts where there are any."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import groupby

from langchain_memlora.types import Turn

ABSTAIN = ""


@dataclass(frozen=True, slots=True)
class AnnotatedQuestion:
    """A question about a conversation.

    Attributes:
        gold: The right answer; `ABSTAIN` where the conversation does not tell.
        category: The data set's own name for the kind of question.
        evidence: Message ids of the turns that tell the answer; empty where none are annotated.
        stale: An answer that was right before something changed.
    """

    id: str
    text: str
    gold: str
    category: str
    evidence: frozenset[str] = frozenset()
    stale: str | None = None


@dataclass(frozen=True, slots=True)
class AnnotatedFact:
    """A fact that the data set says a turn tells, in a whole sentence."""

    text: str
    message_id: str


@dataclass(frozen=True, slots=True)
class Conversation:
    """A long history in the order it was said.

    Attributes:
        turns: Dated, each with its `message_id`; ids are the data set's.
    """

    id: str
    turns: tuple[Turn, ...]
    questions: tuple[AnnotatedQuestion, ...]
    facts: tuple[AnnotatedFact, ...] = field(default=())

    @property
    def sessions(self) -> list[tuple[Turn, ...]]:
        """Runs of turns that were said at the same time: what a chat hands to `add` in one go."""
        return [tuple(session) for _, session in groupby(self.turns, key=lambda turn: turn.observed_at)]

    def first_sessions(self, count: int) -> Conversation:
        """The conversation cut after `count` sessions, with the questions and facts that these tell."""
        turns = tuple(turn for session in self.sessions[:count] for turn in session)
        told = {turn.message_id for turn in turns}
        return replace(
            self,
            turns=turns,
            questions=tuple(q for q in self.questions if q.evidence and q.evidence <= told),
            facts=tuple(fact for fact in self.facts if fact.message_id in told),
        )
