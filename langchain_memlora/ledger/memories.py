"""Applies operations to memories and tells their history. Only called inside a write transaction."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from langchain_memlora.errors import NotFoundError
from langchain_memlora.ledger import lexical
from langchain_memlora.ledger.rows import (
    MEMORY,
    chunks,
    insert_new,
    moment,
    note_changes,
    now,
    scope_id,
    select_memories,
    stamp,
    to_memories,
    to_scope,
)
from langchain_memlora.ledger.schema import evidence, memories, operations, scopes, turns
from langchain_memlora.types import Event, Memory, MemoryState, Operation, Scope


@dataclass(frozen=True, slots=True)
class Change:
    """One operation to apply.

    Attributes:
        memory_id: The memory to change; for ADD, the id it will get.
        text: The new text, for ADD and UPDATE.
        turn_id: The turn that tells it.
        by: Who decided: `expert`, or a verb.
    """

    event: Event
    memory_id: str | None
    text: str = ""
    fact: str = ""
    turn_id: str | None = None
    observed_at: datetime | None = None
    probability: float | None = None
    by: str = "expert"
    job_id: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)


def new_id() -> str:
    """An id for a memory."""
    return uuid.uuid4().hex


def apply(connection: Connection, scope: Scope, changes: Sequence[Change]) -> list[Operation]:
    """Apply operations in order and raise the scope's revision.

    Raises:
        NotFoundError: A change names a memory that is not in this scope, or deleted.
    """
    owner = scope_id(connection, scope, create=True)
    done = [_apply(connection, owner, scope, change) for change in changes]
    if done:
        connection.execute(update(scopes).where(scopes.c.id == owner).values(revision=scopes.c.revision + 1))
    return done


def _apply(connection: Connection, owner: int, scope: Scope, change: Change) -> Operation:
    old = None
    if change.event is not Event.ADD and change.memory_id:
        here = (memories.c.id == change.memory_id) & (memories.c.scope_id == owner)
        # Somebody may have deleted it since it was looked up: a tombstone is nothing to change.
        old = connection.execute(select(memories).where(here, memories.c.state == MemoryState.ACTIVE)).first()
        if old is None:
            msg = f"No memory {change.memory_id!r} in the scope of {scope.user_id!r}. `get_all` lists what is there."
            raise NotFoundError(msg)
    at = stamp(now())
    match change.event:
        case Event.ADD:
            _add(connection, owner, change, at)
        case Event.UPDATE:
            observed = stamp(change.observed_at or now())
            values = {"text": change.text, "observed_at": observed, "version": old.version + 1}
            if change.metadata:
                values["metadata"] = {**old.metadata, **change.metadata}
            _change(connection, old, {**values, "updated_at": at})
        case Event.DELETE:
            _change(connection, old, {"state": MemoryState.DELETED, "updated_at": at})
    if change.memory_id and change.turn_id:
        _link(connection, change.memory_id, change.turn_id)
    if change.memory_id and change.event is not Event.NONE:
        _index(connection, scope, change.memory_id)
    before = old.text if old is not None else None
    after = change.text if change.event in {Event.ADD, Event.UPDATE} else None
    return _record(connection, owner, scope, change, before, before if change.event is Event.NONE else after, at)


def restore(connection: Connection, scope: Scope, memory_id: str) -> Operation:
    """Undo the last change to a memory: a tombstone comes back, an updated text goes back to what it was.

    Raises:
        NotFoundError: There is no such memory, or nothing to undo.
    """
    owner = scope_id(connection, scope)
    row = connection.execute(select(memories).where(memories.c.id == memory_id, memories.c.scope_id == owner)).first()
    if row is None:
        msg = (
            f"No memory {memory_id!r} in the scope of {scope.user_id!r}. `get_all(deleted=True)` lists tombstones too."
        )
        raise NotFoundError(msg)
    at = stamp(now())
    if row.state == MemoryState.DELETED:
        change = Change(Event.ADD, memory_id, row.text, by="restore")
        _change(connection, row, {"state": MemoryState.ACTIVE, "updated_at": at})
    else:
        text, observed_at = _told_before(connection, row)
        change = Change(Event.UPDATE, memory_id, text, by="restore")
        newest = (evidence.c.memory_id == memory_id) & (evidence.c.version == row.version)
        connection.execute(delete(evidence).where(newest))
        values = {"text": text, "observed_at": observed_at, "version": row.version - 1, "updated_at": at}
        _change(connection, row, values)
    _index(connection, scope, memory_id)
    connection.execute(update(scopes).where(scopes.c.id == owner).values(revision=scopes.c.revision + 1))
    return _record(
        connection, owner, scope, change, row.text if change.event is Event.UPDATE else None, change.text, at
    )


def _told_before(connection: Connection, row: Any) -> tuple[str, str]:
    """What a memory said before its current text, and when that was observed."""
    said = select(operations, turns.c.observed_at).outerjoin(turns, turns.c.id == operations.c.turn_id)
    said = said.where(operations.c.memory_id == row.id, operations.c.event.in_((Event.ADD, Event.UPDATE)))
    told: list[tuple[str, str]] = []
    for entry in connection.execute(said.order_by(operations.c.seq)):
        if entry.made_by != "restore":
            told.append((entry.after, entry.observed_at or entry.at))
        elif entry.event == Event.UPDATE:
            told.pop()
    if len(told) < 2:
        msg = f"Memory {row.id!r} was neither deleted nor updated, so there is nothing to undo. See `history({row.id!r})`."
        raise NotFoundError(msg)
    return told[-2]


def get(connection: Connection, condition: Any, *, deleted: bool = False, order_new: bool = False) -> list[Memory]:
    """Memories that meet a condition on `memories` and `scopes`."""
    query = select_memories().where(condition)
    if not deleted:
        query = query.where(memories.c.state == MemoryState.ACTIVE)
    query = query.order_by(memories.c.seq.desc() if order_new else memories.c.seq)
    return to_memories(connection, connection.execute(query))


def history(connection: Connection, condition: Any) -> list[Operation]:
    """Operations, oldest first."""
    owners = (scopes.c.user_id, scopes.c.agent_id, scopes.c.run_id)
    query = select(operations, *owners).join(scopes, scopes.c.id == operations.c.scope_id).where(condition)
    return [
        Operation(
            event=Event(row.event),
            memory_id=row.memory_id,
            scope=to_scope(row),
            fact=row.fact,
            before=row.before,
            after=row.after,
            probability=row.probability,
            turn_id=row.turn_id,
            at=moment(row.at),
            by=row.made_by,
            seq=row.seq,
        )
        for row in connection.execute(query.order_by(operations.c.seq))
    ]


@dataclass(frozen=True, slots=True)
class TurnStatus:
    """What became of what a turn told.

    Attributes:
        withheld: A memory it told was deleted, so it is not shown.
        replaced_by: All it told was superseded; the memory that says something newer.
        memory_ids: Active memories whose current text it tells.
    """

    withheld: bool = False
    replaced_by: str | None = None
    memory_ids: tuple[str, ...] = ()


def turn_status(connection: Connection, turn_ids: Sequence[str]) -> dict[str, TurnStatus]:
    """The status of turns; a turn that told nothing is left out."""
    links: dict[str, list[Any]] = {}
    fresh = (evidence.c.version == memories.c.version).label("fresh")
    query = select(evidence.c.turn_id, evidence.c.memory_id, fresh, memories.c.state).join(
        memories, memories.c.id == evidence.c.memory_id
    )
    for chunk in chunks(list(turn_ids)):
        for row in connection.execute(query.where(evidence.c.turn_id.in_(chunk)).order_by(evidence.c.seq)):
            links.setdefault(row.turn_id, []).append(row)
    found = {}
    for turn_id, rows in links.items():
        current = tuple(row.memory_id for row in rows if row.fresh and row.state == MemoryState.ACTIVE)
        withheld = any(row.state == MemoryState.DELETED for row in rows)
        found[turn_id] = TurnStatus(withheld, None if current else rows[0].memory_id, current)
    return found


def _add(connection: Connection, owner: int, change: Change, at: str) -> None:
    connection.execute(
        insert(memories).values(
            id=change.memory_id,
            scope_id=owner,
            text=change.text,
            observed_at=stamp(change.observed_at or now()),
            created_at=at,
            updated_at=at,
            state=MemoryState.ACTIVE,
            revision=1,
            version=1,
            metadata=change.metadata,
        )
    )


def _change(connection: Connection, old: Any, values: dict[str, Any]) -> None:
    connection.execute(update(memories).where(memories.c.id == old.id).values(revision=old.revision + 1, **values))


def _link(connection: Connection, memory_id: str, turn_id: str) -> None:
    """Note that a turn tells a memory's current text."""
    version = connection.execute(select(memories.c.version).where(memories.c.id == memory_id)).scalar_one()
    insert_new(connection, evidence, {"memory_id": memory_id, "turn_id": turn_id, "version": version})


def _index(connection: Connection, scope: Scope, memory_id: str) -> None:
    """Bring full-text search up to date and tell the vector indexes."""
    row = connection.execute(select(memories).where(memories.c.id == memory_id)).one()
    if row.state == MemoryState.ACTIVE:
        lexical.put(connection, scope.user_id, MEMORY, row.seq, row.id, row.text)
    else:
        lexical.remove(connection, MEMORY, row.seq)
    note_changes(connection, MEMORY, [memory_id])


def _record(
    connection: Connection,
    owner: int,
    scope: Scope,
    change: Change,
    before: str | None,
    after: str | None,
    at: str,
) -> Operation:
    result = connection.execute(
        insert(operations).values(
            scope_id=owner,
            memory_id=change.memory_id,
            job_id=change.job_id,
            turn_id=change.turn_id,
            event=change.event,
            fact=change.fact,
            before=before,
            after=after,
            probability=change.probability,
            made_by=change.by,
            at=at,
        )
    )
    return Operation(
        event=change.event,
        memory_id=change.memory_id,
        scope=scope,
        fact=change.fact,
        before=before,
        after=after,
        probability=change.probability,
        turn_id=change.turn_id,
        at=moment(at),
        by=change.by,
        seq=result.inserted_primary_key[0],
    )
