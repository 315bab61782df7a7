"""A reader of LoCoMo (CC BY-NC 4.0), which is taken from the shared data folder and not part of the repository."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from langchain_memlora.types import Scope, Turn

FILE = Path(os.environ.get("MEMLORA_DATA", Path(__file__).parents[3] / "shared" / "data")) / "locomo/locomo10.json"
needs_locomo = pytest.mark.skipif(not FILE.exists(), reason=f"LoCoMo is not at {FILE} (set MEMLORA_DATA)")


@dataclass(frozen=True)
class Conversation:
    """One conversation: turns in order (message id = LoCoMo's dia_id), annotated facts, answerable questions."""

    id: str
    turns: list[Turn]
    facts: list[tuple[str, str]]
    questions: list[tuple[str, set[str]]]


def conversation(number: int) -> Conversation:
    """Return the conversation with this number, counted from 1 as in the paper."""
    raw = json.loads(FILE.read_text())[number - 1]
    scope = Scope(raw["sample_id"])
    turns, facts = [], []
    for i in range(1, 100):
        for message in raw["conversation"].get(f"session_{i}", []):
            said_at = datetime.strptime(raw["conversation"][f"session_{i}_date_time"], "%I:%M %p on %d %B, %Y")
            turns.append(
                Turn(
                    "",
                    scope,
                    "user",
                    message["text"],
                    said_at.replace(tzinfo=UTC),
                    speaker=message["speaker"],
                    message_id=message["dia_id"],
                )
            )
        for told in raw["observation"].get(f"session_{i}_observation", {}).values():
            facts += [(text, dia) for text, dias in told for dia in ([dias] if isinstance(dias, str) else dias)]
    questions = [
        (q["question"], set(q["evidence"])) for q in raw["qa"] if q["category"] in {1, 2, 3, 4} and q["evidence"]
    ]
    return Conversation(raw["sample_id"], turns, facts, questions)
