"""Users, turns and short calls that write to a ledger."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from langchain_memlora.ledger import Ledger, NewOperation, new_id
from langchain_memlora.types import Event, Memory, Operation, Scope, Turn

ANA, BEN = Scope("ana"), Scope("ben")
MAY_8 = datetime(2024, 5, 8, 12, tzinfo=UTC)
MAY_15 = datetime(2024, 5, 15, 12, tzinfo=UTC)


def turn(text: str, mid: str = "", *, scope: Scope = ANA, at: datetime = MAY_8, **fields: object) -> Turn:
    """Return a turn as `add` would build it."""
    values = {"role": "user", "message_id": mid or text, **fields}
    return Turn(id=str(values.pop("id", "")), scope=scope, text=text, observed_at=at, **values)  # type: ignore[arg-type]


def no_jobs(new: Sequence[Turn], before: Sequence[Turn]) -> list[tuple[Sequence[Turn], Sequence[Turn]]]:
    """Cut no job."""
    return []


def one_job(new: Sequence[Turn], before: Sequence[Turn]) -> list[tuple[Sequence[Turn], Sequence[Turn]]]:
    """Cut one job with all new turns."""
    return [(before, new)]


def say(ledger: Ledger, text: str, scope: Scope = ANA, at: datetime = MAY_8, **fields: object) -> Turn:
    """Store one turn."""
    return ledger.append(scope, [turn(text, scope=scope, at=at, **fields)], no_jobs)[0][0]


def add(ledger: Ledger, text: str, scope: Scope = ANA, told_by: Turn | None = None, **fields: object) -> str:
    """Add a memory and return its id."""
    key = new_id()
    change(ledger, Event.ADD, key, text, scope, told_by, **fields)
    return key


def change(
    ledger: Ledger,
    event: Event,
    key: str,
    text: str = "",
    scope: Scope = ANA,
    told_by: Turn | None = None,
    **fields: object,
) -> Operation:
    """Apply one change."""
    fields.setdefault("observed_at", told_by.observed_at if told_by else None)
    what = NewOperation(event, key, text, turn_id=told_by.id if told_by else None, **fields)  # type: ignore[arg-type]
    return ledger.commit(scope, [what])[0]


def get_memory(ledger: Ledger, key: str, scope: Scope = ANA) -> Memory:
    """Return one memory, deleted or not."""
    return ledger.memories(scope, ids=[key], deleted=True)[0]


def texts(memories: Sequence[Memory]) -> list[str]:
    """Return the texts of memories."""
    return [memory.text for memory in memories]
