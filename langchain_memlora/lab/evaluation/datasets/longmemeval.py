"""LongMemEval (arXiv 2410.10813, MIT): one question over a long chat history with an assistant.

Read from the user's own download (`longmemeval_s`, `longmemeval_oracle` or their cleaned versions). Each sample is a
conversation of its own with one question. Evidence are the turns marked `has_answer`; the question's own date is not used,
since the memory answers from the history.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from langchain_memlora.lab.evaluation.conversations import ABSTAIN, AnnotatedQuestion, Conversation
from langchain_memlora.lab.evaluation.datasets.samples import read_samples
from langchain_memlora.types import Scope, Turn

ABSTENTION = "_abs"
"""Suffix of the ids of questions that the history does not answer."""


def load_longmemeval(path: str | Path, numbers: Sequence[int] | None = None) -> list[Conversation]:
    """Load samples by their place in the file, counted from 1.

    Raises:
        InvalidInputError: The file is missing or not LongMemEval's.
    """
    return read_samples(path, numbers, _conversation, "LongMemEval")


def _conversation(sample: Mapping[str, Any]) -> Conversation:
    name, scope = sample["question_id"], Scope(sample["question_id"])
    sessions = zip(sample["haystack_session_ids"], sample["haystack_dates"], sample["haystack_sessions"], strict=True)
    dated = sorted(((_moment(date), key, messages) for key, date, messages in sessions), key=lambda s: s[0])
    turns, evidence = [], set()
    for said_at, key, messages in dated:
        for number, message in enumerate(messages):
            place = f"{key}/{number}"
            turns.append(Turn("", scope, message["role"], message["content"], said_at, message_id=place))
            if message.get("has_answer"):
                evidence.add(place)
    gold = ABSTAIN if name.endswith(ABSTENTION) else str(sample["answer"])
    question = AnnotatedQuestion(name, sample["question"], gold, sample["question_type"], frozenset(evidence))
    return Conversation(name, tuple(turns), (question,))


def _moment(date: str) -> datetime:
    """Parse `2023/05/20 (Sat) 02:21`; the weekday is redundant."""
    day, clock = date.split()[0], date.split()[-1]
    return datetime.strptime(f"{day} {clock}", "%Y/%m/%d %H:%M").replace(tzinfo=UTC)
