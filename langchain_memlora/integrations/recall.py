"""Searches a memory for the newest user message, and formats the hits for an agent's model."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from langchain_core.messages import AnyMessage

from langchain_memlora.intake.content import read_content
from langchain_memlora.integrations.new_messages import input_of, is_inserted
from langchain_memlora.retrieval.context import build_context
from langchain_memlora.types import Hit, Scope

if TYPE_CHECKING:
    from langchain_memlora.memory.protocol import MemoryLike
    from langchain_memlora.retrieval import Include

QUERY_CHARACTERS = 2_000
NOTHING = ""


def question_of(messages: Sequence[AnyMessage]) -> str:
    """Return the search query: the text of the newest user messages, the end of it if it is long."""
    end = len(messages)
    while end and (messages[end - 1].type != "human" or is_inserted(messages[end - 1])):
        end -= 1
    asked = (read_content(message).text for message in input_of(messages[:end]))
    return "\n".join(text for text in asked if text.strip())[-QUERY_CHARACTERS:].strip()


def recall(
    memory: MemoryLike,
    question: str,
    scope: Scope,
    *,
    k: int,
    budget: int,
    include: Include,
    thread_id: str,
    shown: Collection[str],
    min_score: float = 0.0,
) -> str:
    """Return the context for a question, or an empty string.

    Args:
        budget: Number of tokens, counted so that a model hardly finds more.
        shown: Ids of the thread's messages, which the model reads anyway.
        min_score: Probability of relevance that a hit must have.
    """
    hits = memory.search(question, **asdict(scope), k=k + len(shown), include=include, min_score=min_score)
    unseen = [fresh for hit in hits if (fresh := _unseen(hit, thread_id, shown))][:k]
    return build_context(unseen, budget=budget, query=question) if unseen else NOTHING


def _unseen(hit: Hit, thread_id: str, shown: Collection[str]) -> Hit | None:
    """Drop turns that the model reads anyway: the thread's own, and those equal to the memory's text."""
    known = hit.memory.text if hit.memory else None
    fresh = (turn for turn in hit.turns if turn.thread_id != thread_id or turn.message_id not in shown)
    turns = tuple(turn for turn in fresh if turn.text != known)
    return replace(hit, turns=turns) if hit.memory or turns else None
