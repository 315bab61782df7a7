"""Adds the histories of many users side by side, one conversation of a user at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

from langchain_memlora.errors import InvalidInputError
from langchain_memlora.types import AddResult

FIELDS = {"messages", "user_id", "observed_at", "agent_id", "run_id", "thread_id", "metadata"}
KEPT_PROBLEMS = 1000


@dataclass(frozen=True, slots=True)
class Bulk:
    """The outcome of `add_many`.

    Attributes:
        turns: Number of new messages.
        skipped: Number of messages that were known or hold nothing to keep.
        edited: Number of known messages whose text was replaced.
        operations: Number of operations that the experts decided on.
        failed: Number of conversations that could not be used, or read in part.
        problems: Reasons by the conversation's position in the iterable; the first thousand.
    """

    conversations: int = 0
    turns: int = 0
    skipped: int = 0
    edited: int = 0
    operations: int = 0
    failed: int = 0
    problems: dict[int, str] = field(default_factory=dict)


def add_all(
    add: Callable[..., AddResult],
    conversations: Iterable[Mapping[str, Any]],
    *,
    in_flight: int,
    progress: Callable[[int], None] | None,
) -> Bulk:
    """Call `add` for each conversation; see `MemLoRAMemory.add_many`."""
    if not isinstance(in_flight, int) or in_flight < 1:
        msg = f"in_flight={in_flight!r} is not a positive int. Pass at least 1."
        raise InvalidInputError(msg)
    counts: Counter[str] = Counter()
    problems: dict[int, str] = {}
    running: dict[Future[AddResult], tuple[int, str]] = {}

    def finish(done: Iterable[Future[AddResult]]) -> None:
        for future in done:
            position, _ = running.pop(future)
            problem = _count(future, counts)
            counts["conversations"] += 1
            if problem:
                counts["failed"] += 1
                if len(problems) < KEPT_PROBLEMS:
                    problems[position] = problem
            if progress:
                progress(counts["conversations"])

    with ThreadPoolExecutor(in_flight, thread_name_prefix="memlora-bulk") as threads:
        for position, conversation in enumerate(conversations):
            user = str(conversation.get("user_id")) if isinstance(conversation, Mapping) else ""
            while len(running) >= in_flight or any(user == busy for _, busy in running.values()):
                finish(wait(running, return_when=FIRST_COMPLETED).done)
            running[threads.submit(_add, add, conversation)] = (position, user)
        while running:
            finish(wait(running, return_when=FIRST_COMPLETED).done)
    return Bulk(**counts, problems=problems)


def _add(add: Callable[..., AddResult], conversation: Mapping[str, Any]) -> AddResult:
    if not isinstance(conversation, Mapping) or not {"messages", "user_id"} <= set(conversation) <= FIELDS:
        found = sorted(conversation) if isinstance(conversation, Mapping) else type(conversation).__name__
        msg = f"A conversation has the fields {found}. Pass messages, user_id and observed_at; allowed are {sorted(FIELDS)}."
        raise InvalidInputError(msg)
    if conversation.get("observed_at") is None:  # with the clock's time, a repeated call would not recognise it
        msg = "A conversation has observed_at=None. Pass the aware datetime at which it took place."
        raise InvalidInputError(msg)
    return add(**conversation)


def _count(future: Future[AddResult], counts: Counter[str]) -> str | None:
    """Add a conversation's result to the counts, and return its problem, if it has one."""
    try:
        result = future.result()
    except InvalidInputError as error:
        return str(error)
    counts["turns"] += len(result.turn_ids)
    counts["skipped"] += len(result.skipped)
    counts["edited"] += len(result.edited)
    counts["operations"] += len(result.operations)
    return "; ".join(error.message for error in result.errors) or None
