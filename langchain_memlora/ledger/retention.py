"""Retention: limits on the age and amount of data in each scope. Only called inside a write transaction.

Rows beyond a limit are erased at once, so that no search finds them; the last bytes go with the next `finish_erasure`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, delete, select, update

from langchain_memlora.errors import InvalidInputError
from langchain_memlora.ledger import erasure, lexical, spans
from langchain_memlora.ledger.rows import MEMORY, TURN, WINDOW, chunks, note_changes, said, said_after, scope_id, stamp
from langchain_memlora.ledger.schema import evidence, jobs, memories, operations, scopes, turns, withheld
from langchain_memlora.ledger.turns import get_turns, previous, rewrite_entries
from langchain_memlora.ledger.withheld import withheld_because_of
from langchain_memlora.types import FORGET_PREFIX, MemoryState, Scope


@dataclass(frozen=True, slots=True)
class Retention:
    """Limits for each scope (user, agent, run) by itself; `None` means no limit.

    Expiring a memory also deletes its history and any message that supports no other memory, so it can't be extracted again;
    expiring a deleted one also deletes what was withheld because of it.
    Expiring a message also removes what memories quote of it (`Memory.said`).

    Attributes:
        days: Maximum age by `observed_at`; an update makes a memory new again.
        memories: Maximum number of memories; deleted ones are erased first, then those observed longest ago.
        turns: Maximum number of messages; the newest are kept.

    Raises:
        InvalidInputError: No limit is given, or one is not above 0.

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
            msg = f"{self!r} needs at least one limit, each above 0. Pass days, memories or turns."
            raise InvalidInputError(msg)


def expire_scopes(connection: Connection, scope: Scope | None, limits: Retention, now: datetime) -> dict[str, int]:
    """Erase what a scope, or every scope, holds beyond its limits; return the number of erased rows by table."""
    if scope is None:
        owners = list(connection.execute(select(scopes.c.id)).scalars())
    else:
        owners = [scope_id(connection, scope, create=True)]
    erased = sum((Counter(expire(connection, owner, limits, now)) for owner in owners), Counter())
    return {table: erased[table] for table in ("turns", "memories", "operations", "jobs", "vectors")}


def expire(connection: Connection, owner: int, limits: Retention, now: datetime) -> dict[str, int]:
    """Erase what a scope holds beyond its limits; return the number of erased rows by table, empty if there are none."""
    deleted_first = (memories.c.state == MemoryState.ACTIVE).desc()
    newest = (deleted_first, memories.c.observed_at.desc(), memories.c.seq.desc())
    old = _beyond(connection, memories, owner, limits.days, limits.memories, now, newest)
    gone = _beyond(connection, turns, owner, limits.days, limits.turns, now, (turns.c.seq.desc(),))
    gone |= _support_nothing_else(connection, old)
    _add_withheld(connection, old, gone)
    if not old and not gone:
        return {}
    after = _followers(connection, owner, gone)
    # A span quotes up to two turns before its own.
    quoting = {*after, *_followers(connection, owner, {*gone, *after})}
    embedded = {*_embedded(connection, old, gone, after), *spans.withdraw(connection, gone, quoting)}
    counts = {"vectors": erasure.erase_cached(connection, embedded)}
    for table, ids, kinds in ((memories, old, (MEMORY,)), (turns, gone, (TURN, WINDOW))):
        for row in _rows(connection, table, ids):
            for kind in kinds:
                lexical.remove(connection, kind, row.seq)
    counts["jobs"] = _delete(connection, jobs.c.id, _jobs_about(connection, owner, gone))
    counts["operations"] = _delete(connection, operations.c.memory_id, old)
    counts["operations"] += _delete(connection, operations.c.turn_id, gone, operations.c.memory_id.is_(None))
    _delete(connection, evidence.c.memory_id, old)
    _delete(connection, evidence.c.turn_id, gone)
    _delete(connection, withheld.c.item_id, [*old, *gone])
    _delete(connection, withheld.c.cause, [*old, *gone])
    counts["memories"] = _delete(connection, memories.c.id, old)
    counts["turns"] = _delete(connection, turns.c.id, gone)
    note_changes(connection, MEMORY, old)
    note_changes(connection, TURN, gone)
    rewrite_entries(connection, after)
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
    """Return the ids of rows that are too old or exceed the maximum number."""
    mine = select(table.c.id).where(table.c.scope_id == owner)
    beyond: set[str] = set()
    if days is not None:
        oldest = stamp(now - timedelta(days=days))
        beyond |= set(connection.execute(mine.where(table.c.observed_at < oldest)).scalars())
    if kept is not None:
        beyond |= set(connection.execute(mine.order_by(*order).offset(kept)).scalars())
    return beyond


def _support_nothing_else(connection: Connection, old: Collection[str]) -> set[str]:
    """Return the turns that support only these memories; for a deleted memory all its turns.

    Withdrawn memories do not count: their turns were read again and go with what was read.
    """
    found: set[str] = set()
    withdrawn = select(memories.c.id).where(memories.c.state == MemoryState.WITHDRAWN)
    for row in _rows(connection, memories, old):
        if row.state == MemoryState.WITHDRAWN:
            continue
        links = select(evidence.c.turn_id).where(evidence.c.memory_id == row.id)
        mine = set(connection.execute(links).scalars())
        if row.state == MemoryState.ACTIVE:
            others = select(evidence.c.turn_id).where(evidence.c.turn_id.in_(mine), evidence.c.memory_id.not_in(old))
            others = others.where(evidence.c.memory_id.not_in(withdrawn))
            mine -= set(connection.execute(others).scalars())
        found |= mine
    return found


def _add_withheld(connection: Connection, old: set[str], gone: set[str]) -> None:
    """Add what is withheld because of deleted memories and turns that are to be erased: nothing could bring it back."""
    causes = {*old, *gone}
    while causes:
        deleted = memories.c.state == MemoryState.DELETED
        rows = _rows(connection, memories, withheld_because_of(connection, causes, MEMORY), deleted)
        found = {row.id for row in rows} - old, withheld_because_of(connection, causes, TURN) - gone
        old |= found[0]
        gone |= found[1]
        causes = {*found[0], *found[1]}


def _followers(connection: Connection, owner: int, gone: Collection[str]) -> list[str]:
    """Return the turns whose search window includes a turn to be erased."""
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
    """Yield every text to be erased that may be embedded."""
    for row in _rows(connection, memories, old):
        yield row.text
        for entry in connection.execute(select(operations).where(operations.c.memory_id == row.id)):
            yield from filter(None, (entry.before, entry.after, entry.fact, entry.fact.removeprefix(FORGET_PREFIX)))
    found = get_turns(connection, [*gone, *after])
    before = previous(connection, list(found))
    for key, turn in found.items():
        for seen in erasure.as_embedded(turn):
            if key in gone:
                yield said(seen)
            earlier = before.get(key)
            yield from (said_after(first, seen) for first in (erasure.as_embedded(earlier) if earlier else [None]))


def _jobs_about(connection: Connection, owner: int, gone: Collection[str]) -> list[str]:
    """Return the jobs whose turns are all erased; their error texts may quote them."""
    rows = connection.execute(select(jobs.c.id, jobs.c.turns).where(jobs.c.scope_id == owner))
    return [row.id for row in rows if gone and set(row.turns) <= set(gone)]


def _rows(connection: Connection, table: Table, ids: Collection[str], *conditions: ColumnElement[bool]) -> list[Any]:
    parts = (select(table).where(table.c.id.in_(part), *conditions) for part in chunks(sorted(ids)))
    return [row for part in parts for row in connection.execute(part)]


def _delete(connection: Connection, column: Any, ids: Collection[str], *conditions: ColumnElement[bool]) -> int:
    parts = chunks(sorted(ids))
    statements = (delete(column.table).where(column.in_(part), *conditions) for part in parts)
    return sum(connection.execute(statement).rowcount for statement in statements)
