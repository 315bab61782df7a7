"""Operations on memories, and their history. Writes are only called inside a write transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from langchain_memlora.errors import NotFoundError
from langchain_memlora.ledger import lexical, spans
from langchain_memlora.ledger.new_operation import NewOperation
from langchain_memlora.ledger.order import BACKFILL, in_order
from langchain_memlora.ledger.rows import (
    MEMORY,
    chunks,
    insert_new,
    insert_row,
    moment,
    note_changes,
    now,
    observed,
    scope_id,
    select_memories,
    stamp,
    to_memories,
    to_scope,
)
from langchain_memlora.ledger.schema import evidence, memories, operations, scopes, turns
from langchain_memlora.ledger.withheld import receipts, withheld_among
from langchain_memlora.types import Event, Memory, MemoryState, Operation, Scope, Span

REREAD, EDIT = "reread", "edit"
"""The makers of operations that withdraw a memory."""


def apply(connection: Connection, scope: Scope, batch: Sequence[NewOperation]) -> list[Operation]:
    """Apply operations one after the other and increment the scope's revision. What was observed later holds; see `order`.

    Raises:
        NotFoundError: An operation names a memory that is deleted or not in this scope.
    """
    owner = scope_id(connection, scope, create=True)
    done: list[Operation] = []
    for change in batch:
        old = _to_change(connection, owner, scope, change)
        for step in [change] if old is None else in_order(connection, change, old):
            done.append(_apply(connection, owner, scope, step))
    if done:
        connection.execute(update(scopes).where(scopes.c.id == owner).values(revision=scopes.c.revision + 1))
    return done


def _to_change(connection: Connection, owner: int, scope: Scope, change: NewOperation) -> Any:
    """Return the row of the memory that an operation is about; `None` for a new one, or if it is about none."""
    old: Any = None
    if change.event is not Event.ADD and change.memory_id:
        here = (memories.c.id == change.memory_id) & (memories.c.scope_id == owner)
        # It may have been deleted since it was read; a tombstone can't be changed.
        old = connection.execute(select(memories).where(here, memories.c.state == MemoryState.ACTIVE)).first()
        if old is None:
            msg = f"No memory {change.memory_id!r} in the scope of {scope.user_id!r}. `get_all` lists existing ones."
            raise NotFoundError(msg)
    return old


def _apply(connection: Connection, owner: int, scope: Scope, change: NewOperation) -> Operation:
    old = _to_change(connection, owner, scope, change)
    at = stamp(now())
    match change.event:
        case Event.ADD if change.memory_id:
            _add(connection, owner, change, at)
        case Event.UPDATE:
            values = {"text": change.text, "version": old.version + 1, **_source(change)}
            values |= observed(change.observed_at or now())
            if change.metadata:
                values["metadata"] = {**old.metadata, **change.metadata}
            _change(connection, old, {**values, "updated_at": at})
        case Event.DELETE if old is not None:
            _change(connection, old, {"state": MemoryState.DELETED, "updated_at": at})
    if change.memory_id and change.turn_id and change.event is Event.NONE and change.by == BACKFILL:
        _link_older(connection, change.memory_id, change.turn_id)
    elif change.memory_id and change.turn_id:
        link(connection, change.memory_id, change.turn_id)
    if change.memory_id:
        for turn_id in change.repeated_by:
            link(connection, change.memory_id, turn_id)
    if change.memory_id and change.split_from:
        others = select(evidence.c.turn_id).where(evidence.c.memory_id == change.split_from).distinct()
        for turn_id in {*connection.execute(others).scalars()} - {change.turn_id}:
            _link_older(connection, change.memory_id, turn_id)
    if change.memory_id and change.event is not Event.NONE:
        _index(connection, scope, change.memory_id)
    before = old.text if old is not None else None
    if change.event in {Event.ADD, Event.UPDATE} and change.memory_id:
        return _record(connection, owner, scope, change, before, change.text, at)
    if change.event is Event.DELETE and old is not None:
        change = replace(change, form=old.form, said=None)
    return _record(connection, owner, scope, change, before, before if change.event is Event.NONE else None, at)


def strip_question(connection: Connection, memory: Memory, by: str) -> list[Operation]:
    """Remove from a memory what it quotes of the messages before its own."""
    said = memory.said or Span(0, 0)
    bare = NewOperation(
        Event.UPDATE,
        memory.id,
        memory.text.removeprefix(said.asked).lstrip(),
        turn_id=memory.turn_ids[0],
        observed_at=memory.observed_at,
        by=by,
        form=memory.form,
        said=replace(said, asked=""),
    )
    done = apply(connection, memory.scope, [bare])
    for turn_id in memory.turn_ids[1:]:
        link(connection, memory.id, turn_id)
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
        values = {"text": last.after, "form": last.form, "said": last.said}
        values |= {"observed_at": last.observed_at or last.at, "utc_offset": last.utc_offset or row.utc_offset}
        _change(connection, row, {**values, "version": row.version - 1, "updated_at": at})
    _index(connection, scope, memory_id)
    connection.execute(update(scopes).where(scopes.c.id == owner).values(revision=scopes.c.revision + 1))
    return _record(
        connection, owner, scope, change, row.text if change.event is Event.UPDATE else None, change.text, at
    )


def withdraw(connection: Connection, scope: Scope, ids: Sequence[str], by: str = REREAD) -> list[Operation]:
    """Withdraw memories, since the turns behind them are read again; unlike a deletion, this does not withhold the turns."""
    owner, at = scope_id(connection, scope, create=True), stamp(now())
    done = []
    for row in connection.execute(select(memories).where(memories.c.id.in_(ids)).order_by(memories.c.seq)).all():
        _change(connection, row, {"state": MemoryState.WITHDRAWN, "updated_at": at})
        _index(connection, scope, row.id)
        change = NewOperation(Event.DELETE, row.id, by=by, form=row.form)
        done.append(_record(connection, owner, scope, change, row.text, None, at))
    if done:
        connection.execute(update(scopes).where(scopes.c.id == owner).values(revision=scopes.c.revision + 1))
    return done


def texts_of(connection: Connection, memory_id: str) -> list[Any]:
    """Return the operations that set the texts of a memory, with their turns' times; undone ones are left out."""
    query = select(operations, turns.c.observed_at, turns.c.utc_offset).outerjoin(
        turns, turns.c.id == operations.c.turn_id
    )
    query = query.where(operations.c.memory_id == memory_id, operations.c.event.in_((Event.ADD, Event.UPDATE)))
    texts: list[Any] = []
    for entry in connection.execute(query.order_by(operations.c.seq)):
        if entry.made_by != "restore":
            texts.append(entry)
        elif entry.event == Event.UPDATE:
            texts.pop()
    return texts


def _previous_text(connection: Connection, row: Any) -> Any:
    """Return the operation that set the text before the current one."""
    texts = texts_of(connection, row.id)
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
    rows = connection.execute(query.order_by(operations.c.seq)).all()
    last = {cause_of(row): row.seq for row in rows if row.event == Event.DELETE or row.memory_id is None}
    found = receipts(connection, [key for key in last if key])
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
            withheld=found.get(cause_of(row) or "", ()) if last.get(cause_of(row)) == row.seq else (),
        )
        for row in rows
    ]


def cause_of(operation: Any) -> str | None:
    """Return the id under which an operation, or its row, withholds: of its memory; without one, of its turn."""
    found: str | None = operation.memory_id or operation.turn_id
    return found


@dataclass(frozen=True, slots=True)
class TurnStatus:
    """The state of the memories that a turn supports.

    Attributes:
        withheld: The turn is not shown, because of a deletion.
        replaced_by: The memory with newer text, if all that the turn supports is superseded.
        memory_ids: Active memories whose current text it supports.
        outdated: The parts of its words, as offsets, whose memories have newer text, if others hold.
    """

    withheld: bool = False
    replaced_by: str | None = None
    memory_ids: tuple[str, ...] = ()
    outdated: tuple[tuple[int, int], ...] = ()


def turn_status(connection: Connection, turn_ids: Sequence[str]) -> dict[str, TurnStatus]:
    """Return the status of turns; those that are shown and support no memory, or only withdrawn ones, are left out."""
    links: dict[str, list[Any]] = {}
    fresh = (evidence.c.version == memories.c.version).label("fresh")
    query = select(evidence.c.turn_id, evidence.c.memory_id, fresh, memories.c.state).join(
        memories, (memories.c.id == evidence.c.memory_id) & (memories.c.state != MemoryState.WITHDRAWN)
    )
    for chunk in chunks(list(turn_ids)):
        for row in connection.execute(query.where(evidence.c.turn_id.in_(chunk)).order_by(evidence.c.seq)):
            links.setdefault(row.turn_id, []).append(row)
    hidden = withheld_among(connection, turn_ids)
    found = {key: TurnStatus(withheld=True) for key in hidden}
    superseded: dict[str, set[str]] = {}
    for turn_id, rows in links.items():
        current = tuple(row.memory_id for row in rows if row.fresh and row.state == MemoryState.ACTIVE)
        found[turn_id] = TurnStatus(turn_id in hidden, None if current else rows[0].memory_id, current)
        if current and turn_id not in hidden and (older := {row.memory_id for row in rows} - {*current}):
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
            **observed(change.observed_at or now()),
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


def link(connection: Connection, memory_id: str, turn_id: str) -> None:
    """Record that a turn supports a memory's current text."""
    version = connection.execute(select(memories.c.version).where(memories.c.id == memory_id)).scalar_one()
    insert_new(connection, evidence, {"memory_id": memory_id, "turn_id": turn_id, "version": version})


def _link_older(connection: Connection, memory_id: str, turn_id: str) -> None:
    """Record that a turn states something older than a memory's texts, or had part in them; it is withheld with the memory."""
    insert_new(connection, evidence, {"memory_id": memory_id, "turn_id": turn_id, "version": 0})


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
