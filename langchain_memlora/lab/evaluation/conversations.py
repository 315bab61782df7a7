"""The common form of all data sets: conversations with questions, and annotated facts where there are any."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import groupby

from langchain_memlora.types import Turn

ABSTAIN = ""


@dataclass(frozen=True, slots=True)
class AnnotatedQuestion:
    """A question about a conversation.

    Attributes:
        gold: The right answer; `ABSTAIN` if the conversation does not have it.
        category: The data set's own name for the kind of question.
        evidence: Message ids of the turns with the answer; empty if none are annotated.
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
    """A fact stated by a turn, as the data set annotates it, in a whole sentence."""

    text: str
    message_id: str


@dataclass(frozen=True, slots=True)
class Conversation:
    """A long history in chronological order.

    Attributes:
        turns: Dated, each with its `message_id`; ids are the data set's.
    """

    id: str
    turns: tuple[Turn, ...]
    questions: tuple[AnnotatedQuestion, ...]
    facts: tuple[AnnotatedFact, ...] = field(default=())

    @property
    def sessions(self) -> list[tuple[Turn, ...]]:
        """Runs of turns with the same time, as a chat passes them to `add`."""
        return [tuple(session) for _, session in groupby(self.turns, key=lambda turn: turn.observed_at)]

    def first_sessions(self, count: int) -> Conversation:
        """Return the conversation cut after `count` sessions, with the questions and facts that they cover."""
        turns = tuple(turn for session in self.sessions[:count] for turn in session)
        kept = {turn.message_id for turn in turns}
        return replace(
            self,
            turns=turns,
            questions=tuple(q for q in self.questions if q.evidence and q.evidence <= kept),
            facts=tuple(fact for fact in self.facts if fact.message_id in kept),
        )
