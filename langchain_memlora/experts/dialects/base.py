"""The interface of a dialect: the prompts an expert is asked, and the parser of what it writes, side by side."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from langchain_memlora.bundles.bundle import ChoiceSpec
from langchain_memlora.engines.base import Completion
from langchain_memlora.errors import ExpertOutputError
from langchain_memlora.experts.windows import Window
from langchain_memlora.types import Decision, Fact, Memory


@dataclass(frozen=True, slots=True)
class ParsedExtraction:
    """The facts of an extraction, and the rows that could not be parsed.

    Attributes:
        rejected: One error for each row that could not be parsed. No facts and no errors means: nothing to remember.
    """

    facts: tuple[Fact, ...]
    rejected: tuple[ExpertOutputError, ...] = ()


@dataclass(frozen=True, slots=True)
class Ask:
    """The slots of one prompt, and the choices of a closed question."""

    slots: dict[str, str]
    choices: tuple[str, ...] = ()


class Dialect(ABC):
    """Fills prompts and parses answers. Handles text, not tensors."""

    name: str
    whole_messages = False
    """Messages of a window are shown as they are, not cut into pieces of one line each."""

    def __init__(self, choice: ChoiceSpec | None = None) -> None:
        self.choice = choice or ChoiceSpec()

    @abstractmethod
    def ask_extraction(self, window: Window) -> list[Ask]:
        """Return the prompts that extract the facts of one window."""

    @abstractmethod
    def read_extraction(self, completions: Sequence[Completion], window: Window) -> ParsedExtraction:
        """Parse the facts of an extraction from the completions of its prompts."""

    @abstractmethod
    def ask_update(self, fact: Fact, candidates: Sequence[Memory]) -> list[Ask]:
        """Return the prompts that decide one fact."""

    @abstractmethod
    def read_update(self, completions: Sequence[Completion], fact: Fact, candidates: Sequence[Memory]) -> Decision:
        """Parse the decision from their completions.

        Raises:
            ExpertOutputError: The text can't be parsed, or names a memory that was not shown.
        """

    def read_vision(self, completion: Completion) -> str:
        """Parse the vision expert's answer; by default its whole text.

        Raises:
            ExpertOutputError: The text can't be parsed.
        """
        return completion.text.strip()

    def write_vision(self, answer: str, reason: str) -> str:
        """Return the target a vision expert is trained on; by default the answer alone."""
        return answer


_WORD = re.compile(r"\w+")
_LIGHT = frozenset("a an and are been be had has have is s the was were".split())


def without_echoes(facts: Iterable[Fact]) -> tuple[Fact, ...]:
    """Drop facts that add no word to an earlier one of the same message: greedy decoding repeats itself.

    Nothing later catches them: `match` never compares facts of one message with each other, since both are true.

    Example:
        ```python
        from datetime import datetime, timezone
        from langchain_memlora.experts.dialects.base import without_echoes
        from langchain_memlora.types import Fact

        now = datetime.now(timezone.utc)
        facts = [Fact(text, "t1", now) for text in ("Ana has a dog named Rex", "Ana's dog is named Rex", "Ana has two dogs")]
        assert [fact.text for fact in without_echoes(facts)] == ["Ana has a dog named Rex", "Ana has two dogs"]
        ```
    """
    kept: list[tuple[Fact, set[str]]] = []
    for fact in facts:
        words = set(_WORD.findall(fact.text.casefold())) - _LIGHT
        earlier = (seen for other, seen in kept if (other.turn_id, other.retracts) == (fact.turn_id, fact.retracts))
        if not any(words <= seen for seen in earlier):
            kept.append((fact, words))
    return tuple(fact for fact, _ in kept)


def written_fact(fact: Fact) -> str:
    """Return a fact as it is shown to the update expert."""
    return f"forget that {fact.text}" if fact.retracts else fact.text
