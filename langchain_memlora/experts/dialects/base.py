"""What a dialect is: how an expert is asked and how its text is read, side by side."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from langchain_memlora.engines.base import Completion
from langchain_memlora.errors import ExpertOutputError
from langchain_memlora.experts.windows import Window
from langchain_memlora.types import Decision, Fact, Memory


@dataclass(frozen=True, slots=True)
class Reading:
    """What could be read in an extraction, and what could not.

    Attributes:
        rejected: One error for each row that could not be read. No facts and no errors means: nothing to remember.
    """

    facts: tuple[Fact, ...]
    rejected: tuple[ExpertOutputError, ...] = ()


@dataclass(frozen=True, slots=True)
class Ask:
    """The slots of one prompt, and the closed choices if nothing is to be written."""

    slots: dict[str, str]
    choices: tuple[str, ...] = ()


class Dialect(ABC):
    """How prompts are filled and answers read. Knows text, not tensors."""

    name: str

    @abstractmethod
    def ask_extraction(self, window: Window) -> Ask:
        """The prompt's slots for one window."""

    @abstractmethod
    def read_extraction(self, completion: Completion, window: Window) -> Reading:
        """The facts in an extraction."""

    @abstractmethod
    def ask_update(self, fact: Fact, candidates: Sequence[Memory]) -> list[Ask]:
        """The prompts that decide one fact."""

    @abstractmethod
    def read_update(self, completions: Sequence[Completion], fact: Fact, candidates: Sequence[Memory]) -> Decision:
        """The decision in their completions.

        Raises:
            ExpertOutputError: The text can't be read, or names a memory that was not shown.
        """

    def read_vision(self, completion: Completion) -> str:
        """What the vision expert says that a picture shows: all that it wrote.

        Raises:
            ExpertOutputError: The text can't be read.
        """
        return completion.text.strip()

    def write_vision(self, answer: str, reason: str) -> str:
        """What a vision expert is trained to write: the answer alone."""
        return answer


_WORD = re.compile(r"\w+")
_LIGHT = frozenset("a an and are been be had has have is s the was were".split())


def without_echoes(facts: Iterable[Fact]) -> tuple[Fact, ...]:
    """Facts, less those with no word that an earlier one of the same message lacks: greedy decoding repeats itself.

    Nobody else catches them: `match` never weighs the facts of one message against each other, since both are true.

    Example:
        ```python
        from datetime import datetime, timezone
        from langchain_memlora.experts.dialects.base import without_echoes
        from langchain_memlora.types import Fact

        now = datetime.now(timezone.utc)
        told = [Fact(text, "t1", now) for text in ("Ana has a dog named Rex", "Ana's dog is named Rex", "Ana has two dogs")]
        assert [fact.text for fact in without_echoes(told)] == ["Ana has a dog named Rex", "Ana has two dogs"]
        ```
    """
    kept: list[tuple[Fact, set[str]]] = []
    for fact in facts:
        words = set(_WORD.findall(fact.text.casefold())) - _LIGHT
        told = (seen for other, seen in kept if (other.turn_id, other.retracts) == (fact.turn_id, fact.retracts))
        if not any(words <= seen for seen in told):
            kept.append((fact, words))
    return tuple(fact for fact, _ in kept)


def written_fact(fact: Fact) -> str:
    """A fact as the update expert sees it."""
    return f"forget that {fact.text}" if fact.retracts else fact.text
