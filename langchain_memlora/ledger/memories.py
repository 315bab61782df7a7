"""Operations on memories, and their history. Writes are only called inside a write transaction."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from langchain_memlora.errors import NotFoundError
from langchain_memlora.ledger import lexical, spans
from langchain_memlora.ledger.quoted import quoting_withheld
from langchain_memlora.ledger.rows import (
    MEMORY,
    chunks,
    insert_new,
    insert_row,
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
from langchain_memlora.types import Event, Form, Memory, MemoryState, Operation, Scope, Span

REREAD = "reread"
"""The maker of an operation that withdraws a memory."""


@dataclass(frozen=True, slots=True)
class NewOperation:
    """An operation to apply; once stored, it is an `Operation`.

    Attributes:
        memory_id: The memory to change; for ADD, the id of the new memory.
        text: The new text, for ADD and UPDATE.
        turn_id: The turn that supports it.
        by: The source of the decision: `expert`, or the name of a method.
        form: The source of the new text.
        said: The part of the turn that states it.
        split_from: For ADD, the memory that held the text before. The messages that support it are withheld with the new one.
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
    form: Form = "given"
    said: Span | None = None
    split_from: str | None = None


def new_id() -> str:
    """Return an id for a new memory."""
    return uuid.uuid4().hex


def apply(connection: Connection, scope: Scope, batch: Sequence[NewOperation]) -> list[Operation]:
    """Apply operations in order and increment the scope's revision.

    Raises:
        NotFoundError: An operation names a memory that is deleted or not in this scope.
    """
    owner = scope_id(connection, scope, create=True)
    done = [_apply(connection, owner, scope, change) for change in batch]
    done += _withdraw_questions(connection, owner, scope, batch)
    if done:
        connection.execute(update(scopes).where(scopes.c.id == owner).values(revision=scopes.c.revision + 1))
    return done


def _apply(connection: Connection, owner: int, scope: Scope, change: NewOperation) -> Operation:
    old: Any = None
    if change.event is not Event.ADD and change.memory_id:
        here = (memories.c.id == change.memory_id) & (memories.c.scope_id == owner)
        # It may have been deleted since it was read; a tombstone can't be changed.
        old = connection.execute(select(memories).where(here, memories.c.state == MemoryState.ACTIVE)).first()
        if old is None:
            msg = f"No memory {change.memory_id!r} in the scope of {scope.user_id!r}. `get_all` lists existing ones."
            raise NotFoundError(msg)
    at = stamp(now())
    match change.event:
        case Event.ADD:
            _add(connection, owner, change, at)
        case Event.UPDATE:
            observed = stamp(change.observed_at or now())
            values = {"text": change.text, "observed_at": observed, "version": old.version + 1, **_source(change)}
            if change.metadata:
                values["metadata"] = {**old.metadata, **change.metadata}
            _change(connection, old, {**values, "updated_at": at})
        case Event.DELETE:
            _change(connection, old, {"state": MemoryState.DELETED, "updated_at": at})
    if change.memory_id and change.turn_id:
        _link(connection, change.memory_id, change.turn_id)
    if change.memory_id and change.split_from:
        others = select(evidence.c.turn_id).where(evidence.c.memory_id == change.split_from).distinct()
        for turn_id in {*connection.execute(others).scalars()} - {change.turn_id}:
            insert_new(connection, evidence, {"memory_id": change.memory_id, "turn_id": turn_id, "version": 0})
    if change.memory_id and change.event is not Event.NONE:
        _index(connection, scope, change.memory_id)
    before = old.text if old is not None else None
    if change.event in {Event.ADD, Event.UPDATE}:
        return _record(connection, owner, scope, change, before, change.text, at)
    change = replace(change, form=change.form if old is None else old.form, said=None)
    return _record(connection, owner, scope, change, before, before if change.event is Event.NONE else None, at)


def _withdraw_questions(
    connection: Connection, owner: int, scope: Scope, batch: Sequence[NewOperation]
) -> list[Operation]:
    """Remove what memories quote of messages that are withheld now."""
    changed = [change.memory_id for change in batch if change.memory_id and change.said and change.said.asked]
    deleted = [change.memory_id for change in batch if change.memory_id and change.event is Event.DELETE]
    done = []
    for memory in [*quoting_withheld(connection, changed, deleted)] if changed or deleted else []:
        said = memory.said or Span(0, 0)
        bare = NewOperation(
            Event.UPDATE,
            memory.id,
            memory.text.removeprefix(said.asked).lstrip(),
            turn_id=memory.turn_ids[0],
            observed_at=memory.observed_at,
            by="withhold",
            form=memory.form,
            said=replace(said, asked=""),
        )
        done.append(_apply(connection, owner, scope, bare))
        for turn_id in memory.turn_ids[1:]:
            _link(connection, memory.id, turn_id)
    return done


def restore(connection: Connection, scope: Scope, memory_id: str) -> Operation:
    """Undo the last change to a memory: restore a tombstone, or the text before an update.

    Raises:
        NotFoundError: There is no such memory, or nothing to undo.
    """
    owner = scope_id(connection, scope)
    row = connection.execute(select(memories).where(memories.c.id == memory_id, memories.c.scope_id == owner)).first()
    if owner is None or row is None:
        msg = (
            f"No memory {memory_id!r} in the scope of {scope.user_id!r}. `get_all(deleted=True)` lists tombstones too."
        )
        raise NotFoundError(msg)
    at = stamp(now())
    if row.state != MemoryState.ACTIVE:
        change = NewOperation(Event.ADD, memory_id, row.text, by="restore", form=row.form)
        _change(connection, row, {"state": MemoryState.ACTIVE, "updated_at": at})
    else:
        last = _previous_text(connection, row)
        change = NewOperation(Event.UPDATE, memory_id, last.after, by="restore", form=last.form)
        newest = (evidence.c.memory_id == memory_id) & (evidence.c.version == row.version)
        connection.execute(delete(evidence).where(newest))
        values = {"text": last.after, "observed_at": last.observed_at or last.at, "form": last.form, "said": last.said}
        _change(connection, row, {**values, "version": row.version - 1, "updated_at": at})
    _index(connection, scope, memory_id)
    connection.execute(update(scopes).where(scopes.c.id == owner).values(revision=scopes.c.revision + 1))
    return _record(
        connection, owner, scope, change, row.text if change.event is Event.UPDATE else None, change.text, at
    )


def withdraw(connection: Connection, scope: Scope, ids: Sequence[str]) -> list[Operation]:
    """Withdraw memories, since the turns behind them were read again; unlike a deletion, this does not withhold the turns."""
    owner, at = scope_id(connection, scope, create=True), stamp(now())
    done = []
    for row in connection.execute(select(memories).where(memories.c.id.in_(ids)).order_by(memories.c.seq)).all():
        _change(connection, row, {"state": MemoryState.WITHDRAWN, "updated_at": at})
        _index(connection, scope, row.id)
        change = NewOperation(Event.DELETE, row.id, by=REREAD, form=row.form)
        done.append(_record(connection, owner, scope, change, row.text, None, at))
    if done:
        connection.execute(update(scopes).where(scopes.c.id == owner).values(revision=scopes.c.revision + 1))
    return done


def _previous_text(connection: Connection, row: Any) -> Any:
    """Return the operation that set the text before the current one, with its turn's time."""
    query = select(operations, turns.c.observed_at).outerjoin(turns, turns.c.id == operations.c.turn_id)
    query = query.where(operations.c.memory_id == row.id, operations.c.event.in_((Event.ADD, Event.UPDATE)))
    texts: list[Any] = []
    for entry in connection.execute(query.order_by(operations.c.seq)):
        if entry.made_by != "restore":
            texts.append(entry)
        elif entry.event == Event.UPDATE:
            texts.pop()
    if len(texts) < 2:
        msg = f"Memory {row.id!r} was neither deleted nor updated, so there is nothing to undo. See `history({row.id!r})`."
        raise NotFoundError(msg)
    return texts[-2]


def get(connection: Connection, condition: Any, *, deleted: bool = False) -> list[Memory]:
    """Return the memories that meet a condition on `memories` and `scopes`."""
    query = select_memories().where(condition)
    if not deleted:
        query = query.where(memories.c.state == MemoryState.ACTIVE)
    return to_memories(connection, connection.execute(query.order_by(memories.c.seq)))


def history(connection: Connection, condition: Any) -> list[Operation]:
    """Return operations, oldest first."""
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
            form=row.form,
        )
        for row in connection.execute(query.order_by(operations.c.seq))
    ]


@dataclass(frozen=True, slots=True)
class TurnStatus:
    """The state of the memories that a turn supports.

    Attributes:
        withheld: One of them was deleted, so the turn is not shown.
        replaced_by: The memory with newer text, if all that the turn supports is superseded.
        memory_ids: Active memories whose current text it supports.
        outdated: The parts of its words, as offsets, whose memories have newer text, if others hold.
    """

    withheld: bool = False
    replaced_by: str | None = None
    memory_ids: tuple[str, ...] = ()
    outdated: tuple[tuple[int, int], ...] = ()


def turn_status(connection: Connection, turn_ids: Sequence[str]) -> dict[str, TurnStatus]:
    """Return the status of turns; turns that support no memory, or only withdrawn ones, are left out."""
    links: dict[str, list[Any]] = {}
    fresh = (evidence.c.version == memories.c.version).label("fresh")
    query = select(evidence.c.turn_id, evidence.c.memory_id, fresh, memories.c.state).join(
        memories, (memories.c.id == evidence.c.memory_id) & (memories.c.state != MemoryState.WITHDRAWN)
    )
    for chunk in chunks(list(turn_ids)):
        for row in connection.execute(query.where(evidence.c.turn_id.in_(chunk)).order_by(evidence.c.seq)):
            links.setdefault(row.turn_id, []).append(row)
    found = {}
    superseded: dict[str, set[str]] = {}
    for turn_id, rows in links.items():
        current = tuple(row.memory_id for row in rows if row.fresh and row.state == MemoryState.ACTIVE)
        withheld = any(row.state == MemoryState.DELETED for row in rows)
        found[turn_id] = TurnStatus(withheld, None if current else rows[0].memory_id, current)
        if current and not withheld and (older := {row.memory_id for row in rows} - {*current}):
            superseded[turn_id] = older
    current_ids = {turn_id: found[turn_id].memory_ids for turn_id in superseded}
    for turn_id, parts in spans.superseded(connection, superseded, current_ids).items():
        found[turn_id] = replace(found[turn_id], outdated=parts)
    return found


def _add(connection: Connection, owner: int, change: NewOperation, at: str) -> None:
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
            **_source(change),
        )
    )


def _source(change: NewOperation) -> dict[str, Any]:
    return {"form": change.form, "said": spans.to_json(change.said)}


def _change(connection: Connection, old: Any, values: dict[str, Any]) -> None:
    connection.execute(update(memories).where(memories.c.id == old.id).values(revision=old.revision + 1, **values))


def _link(connection: Connection, memory_id: str, turn_id: str) -> None:
    """Record that a turn supports a memory's current text."""
    version = connection.execute(select(memories.c.version).where(memories.c.id == memory_id)).scalar_one()
    insert_new(connection, evidence, {"memory_id": memory_id, "turn_id": turn_id, "version": version})


def _index(connection: Connection, scope: Scope, memory_id: str) -> None:
    """Update full-text search and notify the vector indexes."""
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
    change: NewOperation,
    before: str | None,
    after: str | None,
    at: str,
) -> Operation:
    values = {
        "scope_id": owner,
        "memory_id": change.memory_id,
        "job_id": change.job_id,
        "turn_id": change.turn_id,
        "event": change.event,
        "fact": change.fact,
        "before": before,
        "after": after,
        "probability": change.probability,
        "made_by": change.by,
        "at": at,
        **_source(change),
    }
    seq = insert_row(connection, operations, values)
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
        seq=seq,
        form=change.form,
    )
