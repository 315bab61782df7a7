"""Finds what a memory holds about the newest user message and writes it down for an agent's model."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from langchain_core.messages import AnyMessage

from langchain_memlora.integrations.new_messages import input_of, is_inserted
from langchain_memlora.retrieval.context import build_context
from langchain_memlora.types import Hit, Scope

if TYPE_CHECKING:
    from langchain_memlora.memory.memory import MemLoRAMemory
    from langchain_memlora.retrieval import Include

QUERY_CHARACTERS = 2_000
NOTHING = ""


def question_of(messages: Sequence[AnyMessage]) -> str:
    """What to look for: the words of the newest user messages, the last ones if they are many."""
    end = len(messages)
    while end and (messages[end - 1].type != "human" or is_inserted(messages[end - 1])):
        end -= 1
    asked = (message.text for message in input_of(messages[:end]))
    return "\n".join(text for text in asked if text.strip())[-QUERY_CHARACTERS:].strip()


def recall(
    memory: MemLoRAMemory,
    question: str,
    scope: Scope,
    *,
    k: int,
    budget: int,
    include: Include,
    thread_id: str,
    shown: Collection[str],
) -> str:
    """The context for a question, or an empty string.

    Args:
        budget: About how many tokens of it.
        shown: Ids of the thread's messages, which the model sees anyway and need not be recalled.
    """
    hits = memory.search(question, **asdict(scope), k=k + len(shown), include=include)
    unseen = [fresh for hit in hits if (fresh := _unseen(hit, thread_id, shown))][:k]
    return build_context(unseen, budget=budget) if unseen else NOTHING


def _unseen(hit: Hit, thread_id: str, shown: Collection[str]) -> Hit | None:
    """What of a hit is news to the model: not the thread's own messages, nor a message that is the memory word for word."""
    known = hit.memory.text if hit.memory else None
    fresh = (turn for turn in hit.turns if turn.thread_id != thread_id or turn.message_id not in shown)
    turns = tuple(turn for turn in fresh if turn.text != known)
    return replace(hit, turns=turns) if hit.memory or turns else None
