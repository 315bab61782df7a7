"""How much is kept of each scope, and for how long; what is over a limit is erased. Only called inside a write transaction.

Rows go at once, so that nothing finds them any more; the last bytes go with the next `finish_erasure`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, delete, select, update

from langchain_memlora.errors import InvalidInputError
from langchain_memlora.ledger import erasure, lexical
from langchain_memlora.ledger.rows import MEMORY, TURN, WINDOW, chunks, note_changes, said, said_after, stamp
from langchain_memlora.ledger.schema import evidence, jobs, memories, operations, scopes, turns
from langchain_memlora.ledger.turns import get_turns, previous
from langchain_memlora.types import FORGET_PREFIX, MemoryState


@dataclass(frozen=True, slots=True)
class Retention:
    """Limits that hold for each scope (user, agent, run) by itself; `None` is no limit.

    With a memory goes its history, and the messages that only it was told by: they would tell it again.

    Attributes:
        days: How long ago something may have been said (`observed_at`; an update makes a memory young again).
        memories: How many memories are kept; deleted ones go first, then those told longest ago.
        turns: How many messages are kept, the newest ones.

    Raises:
        InvalidInputError: No limit at all, or one that is not above 0.

    Example:
        ```python
        from langchain_memlora import MemLoRAMemory, Retention

        with MemLoRAMemory(path="/tmp/memlora-kept-short", retention=Retention(days=90, memories=1000)) as memory:
            memory.add("I moved to Porto.", user_id="ana", infer=False)
        ```
    """

    days: float | None = None
    memories: int | None = None
    turns: int | None = None

    def __post_init__(self) -> None:
        limits = [limit for limit in (self.days, self.memories, self.turns) if limit is not None]
        if not limits or any(not isinstance(limit, int | float) or not limit > 0 for limit in limits):
            msg = f"{self!r} is no limit. Pass days, memories or turns above 0."
            raise InvalidInputError(msg)


def expire(connection: Connection, owner: int, limits: Retention, now: datetime) -> dict[str, int]:
    """Erase what a scope holds beyond its limits; returns how many rows went, by table: nothing if all is within."""
    deleted_first = (memories.c.state == MemoryState.ACTIVE).desc()
    newest = (deleted_first, memories.c.observed_at.desc(), memories.c.seq.desc())
    old = _beyond(connection, memories, owner, limits.days, limits.memories, now, newest)
    gone = _beyond(connection, turns, owner, limits.days, limits.turns, now, (turns.c.seq.desc(),))
    gone |= _told_nothing_else(connection, old)
    if not old and not gone:
        return {}
    after = _followers(connection, owner, gone)
    counts = {"vectors": erasure.erase_cached(connection, _embedded(connection, old, gone, after))}
    for table, ids, kinds in ((memories, old, (MEMORY,)), (turns, gone, (TURN, WINDOW))):
        for row in _rows(connection, table, ids):
            for kind in kinds:
                lexical.remove(connection, kind, row.seq)
    counts["jobs"] = _delete(connection, jobs.c.id, _jobs_about(connection, owner, gone))
    counts["operations"] = _delete(connection, operations.c.memory_id, old)
    counts["operations"] += _delete(connection, operations.c.turn_id, gone, operations.c.memory_id.is_(None))
    _delete(connection, evidence.c.memory_id, old)
    _delete(connection, evidence.c.turn_id, gone)
    counts["memories"] = _delete(connection, memories.c.id, old)
    counts["turns"] = _delete(connection, turns.c.id, gone)
    _search_without(connection, after)
    note_changes(connection, MEMORY, old)
    note_changes(connection, TURN, [*gone, *after])
    connection.execute(update(scopes).where(scopes.c.id == owner).values(revision=scopes.c.revision + 1))
    erasure.begin(connection)
    return counts


def _beyond(
    connection: Connection,
    table: Table,
    owner: int,
    days: float | None,
    kept: int | None,
    now: datetime,
    order: tuple[Any, ...],
) -> set[str]:
    """Ids of rows that are too old or too many."""
    mine = select(table.c.id).where(table.c.scope_id == owner)
    beyond: set[str] = set()
    if days is not None:
        oldest = stamp(now - timedelta(days=days))
        beyond |= set(connection.execute(mine.where(table.c.observed_at < oldest)).scalars())
    if kept is not None:
        beyond |= set(connection.execute(mine.order_by(*order).offset(kept)).scalars())
    return beyond


def _told_nothing_else(connection: Connection, old: Collection[str]) -> set[str]:
    """The turns that told these memories and no other one; of a deleted memory, all: they were withheld for its sake."""
    told: set[str] = set()
    for row in _rows(connection, memories, old):
        links = select(evidence.c.turn_id).where(evidence.c.memory_id == row.id)
        mine = set(connection.execute(links).scalars())
        if row.state == MemoryState.ACTIVE:
            others = select(evidence.c.turn_id).where(evidence.c.turn_id.in_(mine), evidence.c.memory_id.not_in(old))
            mine -= set(connection.execute(others).scalars())
        told |= mine
    return told


def _followers(connection: Connection, owner: int, gone: Collection[str]) -> list[str]:
    """Turns that are searched together with one before them that goes."""
    order = select(turns.c.id, turns.c.thread_id).where(turns.c.scope_id == owner)
    rows = connection.execute(order.order_by(turns.c.thread_id, turns.c.seq)).all()
    return [
        turn.id
        for before, turn in pairwise(rows)
        if before.thread_id == turn.thread_id and before.id in gone and turn.id not in gone
    ]


def _embedded(
    connection: Connection, old: Collection[str], gone: Collection[str], after: Collection[str]
) -> Iterator[str]:
    """Everything that goes and may have been embedded."""
    for row in _rows(connection, memories, old):
        yield row.text
        for entry in connection.execute(select(operations).where(operations.c.memory_id == row.id)):
            yield from filter(None, (entry.before, entry.after, entry.fact, entry.fact.removeprefix(FORGET_PREFIX)))
    told = get_turns(connection, [*gone, *after])
    before = previous(connection, list(told))
    for key, turn in told.items():
        for seen in erasure.as_embedded(turn):
            if key in gone:
                yield said(seen)
            earlier = before.get(key)
            yield from (said_after(first, seen) for first in (erasure.as_embedded(earlier) if earlier else [None]))


def _search_without(connection: Connection, after: Sequence[str]) -> None:
    """Put turns into full-text search together with those that are before them now."""
    told, before = get_turns(connection, after), previous(connection, after)
    for row in _rows(connection, turns, after):
        turn = told[row.id]
        window = said_after(before.get(row.id), turn)
        lexical.put(connection, turn.scope.user_id, WINDOW, row.seq, row.id, window)


def _jobs_about(connection: Connection, owner: int, gone: Collection[str]) -> list[str]:
    """Jobs whose turns are gone; what could not be read may stand in their errors."""
    rows = connection.execute(select(jobs.c.id, jobs.c.turns).where(jobs.c.scope_id == owner))
    return [row.id for row in rows if gone and set(row.turns) <= set(gone)]


def _rows(connection: Connection, table: Table, ids: Collection[str]) -> list[Any]:
    parts = chunks(sorted(ids))
    return [row for part in parts for row in connection.execute(select(table).where(table.c.id.in_(part)))]


def _delete(connection: Connection, column: Any, ids: Collection[str], *conditions: ColumnElement[bool]) -> int:
    parts = chunks(sorted(ids))
    statements = (delete(column.table).where(column.in_(part), *conditions) for part in parts)
    return sum(connection.execute(statement).rowcount for statement in statements)
