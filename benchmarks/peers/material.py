"""Material for all contestants: message pairs of LoCoMo's first conversation with their annotated facts, and questions."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from langchain_memlora import MemLoRAMemory
from langchain_memlora.lab.evaluation.conversations import AnnotatedQuestion
from langchain_memlora.lab.evaluation.datasets.locomo import VALIDATION, load_locomo
from langchain_memlora.types import Turn

DATA = os.environ.get("MEMLORA_DATA", Path(__file__).parents[3] / "shared" / "data")
LOCOMO = Path(DATA) / "locomo" / "locomo10.json"


@dataclass(frozen=True, slots=True)
class Pair:
    """Two consecutive messages with their annotated facts."""

    turns: tuple[Turn, Turn]
    facts: tuple[str, ...]

    def add_to(self, memory: MemLoRAMemory, user_id: str) -> None:
        """Add both messages."""
        messages = [{"role": "user", "name": turn.speaker, "content": turn.text} for turn in self.turns]
        memory.add(messages, user_id=user_id, observed_at=self.turns[0].observed_at)


@dataclass(frozen=True, slots=True)
class Material:
    """Pairs in chronological order, and questions that they answer."""

    user: str
    pairs: tuple[Pair, ...]
    questions: tuple[AnnotatedQuestion, ...]


def load(file: Path, pairs: int, questions: int) -> Material:
    """Load the first `pairs` pairs of C1, and the first `questions` questions with evidence in them.

    Args:
        file: `locomo10.json`.
    """
    conversation = load_locomo(file, VALIDATION)[0]
    found: list[Pair] = []
    for session in conversation.sessions:
        for first, second in zip(session[::2], session[1::2], strict=False):
            ids = {first.message_id, second.message_id}
            facts = dict.fromkeys(fact.text for fact in conversation.facts if fact.message_id in ids)
            found.append(Pair((first, second), tuple(facts)))
    found = found[:pairs]
    known = {turn.message_id for pair in found for turn in pair.turns}
    asked = [question for question in conversation.questions if question.evidence and question.evidence <= known]
    return Material(conversation.id, tuple(found), tuple(asked[:questions]))
