"""The order of truth: what was observed later holds, in whatever order it is added.

An operation of the experts about something observed before a memory's text, or before a repetition of it, is replaced by
operations that leave the memories as if everything had been added in the order it was observed. Times that are equal are
ordered by their turns, and so are turns that this machine's clock dated: it may be set back. Operations of callers are not
touched: they hold from the moment of the call.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, select

from langchain_memlora.ledger.new_operation import NewOperation, new_id
from langchain_memlora.ledger.rows import observed_at, stamp
from langchain_memlora.ledger.schema import evidence, operations, turns
from langchain_memlora.types import Event, Span

BACKFILL = "backfill"
"""The maker of an operation about something observed before the text of its memory."""


class _Moment(NamedTuple):
    """The place of a statement in the order of truth."""

    observed_at: str
    seq: int
    by_clock: bool = False

    def is_before(self, other: _Moment) -> bool:
        if self.by_clock and other.by_clock:
            return self.seq < other.seq
        return (self.observed_at, self.seq) < (other.observed_at, other.seq)


class _Statement(NamedTuple):
    """A turn that supports the current text of a memory."""

    turn_id: str
    at: _Moment
    row: Any


def in_order(connection: Connection, change: NewOperation, memory: Any) -> list[NewOperation]:
    """Return what an operation on an active memory, given as its row, does in the order of observation."""
    if change.by != "expert" or change.turn_id is None or change.observed_at is None or change.event is Event.ADD:
        return [change]
    at = _moment_of(connection, change)
    statements = _statements(connection, memory)
    # A text that a caller set has no turn of its time.
    by_turn = bool(statements) and statements[0].row.observed_at == memory.observed_at
    begins = statements[0].at if by_turn else _Moment(memory.observed_at, 0)
    later = [statement for statement in statements if at.is_before(statement.at)]
    if at.is_before(begins):
        return [_before(connection, change, memory, statements, at, begins, by_turn=by_turn)]
    if not later or change.event is Event.NONE:
        return [change]
    if change.event is Event.UPDATE:  # the old text was stated again afterwards
        return [change, _again(connection, Event.UPDATE, memory.id, change, memory, later)]
    restated = evidence.c.turn_id.in_([statement.turn_id for statement in later])
    connection.execute(delete(evidence).where(evidence.c.memory_id == memory.id, restated))
    return [change, _again(connection, Event.ADD, new_id(), change, memory, later)]


def _before(
    connection: Connection,
    change: NewOperation,
    memory: Any,
    statements: Sequence[_Statement],
    at: _Moment,
    begins: _Moment,
    *,
    by_turn: bool,
) -> NewOperation:
    """Return what an operation does that was observed before the text of its memory."""
    if change.event is Event.DELETE:
        return replace(change, event=Event.NONE, memory_id=None)
    if change.event is Event.UPDATE or _changed_between(connection, memory, at, begins):
        return replace(change, event=Event.NONE, text="", by=BACKFILL)
    if not by_turn or not change.fact:
        return change
    return replace(
        change,
        event=Event.UPDATE,
        text=change.fact,
        by=BACKFILL,
        repeated_by=tuple(statement.turn_id for statement in statements),
    )


def _again(
    connection: Connection,
    event: Event,
    memory_id: str,
    change: NewOperation,
    memory: Any,
    later: Sequence[_Statement],
) -> NewOperation:
    """Return the operation by which the first of some later statements sets the text."""
    first, *others = sorted(later, key=lambda statement: statement.at)
    query = select(operations).where(operations.c.memory_id == memory.id, operations.c.turn_id == first.turn_id)
    query = query.where(operations.c.event != Event.DELETE).order_by(operations.c.seq.desc())
    source = connection.execute(query).first()
    if source is None:
        text, form, said = memory.text, memory.form, None
    else:
        text, form, said = source.fact if source.event == Event.NONE else source.after, source.form, source.said
    return NewOperation(
        event,
        memory_id,
        text,
        fact=text,
        turn_id=first.turn_id,
        observed_at=observed_at(first.row.observed_at, first.row.utc_offset),
        job_id=change.job_id,
        metadata=memory.metadata,
        form=form,
        said=said and Span(**said),
        repeated_by=tuple(statement.turn_id for statement in others),
    )


def _moment_of(connection: Connection, change: NewOperation) -> _Moment:
    turn = connection.execute(select(turns).where(turns.c.id == change.turn_id)).first()
    assert change.observed_at is not None
    return _Moment(stamp(change.observed_at), turn.seq if turn else 0, turn is not None and _by_clock(turn))


def _by_clock(turn: Any) -> bool:
    return bool(turn.observed_from == "clock")


def _statements(connection: Connection, memory: Any) -> list[_Statement]:
    """Return the turns that support the current text: first the one that set it."""
    query = select(turns).join(evidence, evidence.c.turn_id == turns.c.id)
    query = query.where(evidence.c.memory_id == memory.id, evidence.c.version == memory.version)
    rows = connection.execute(query.order_by(evidence.c.seq)).all()
    return [_Statement(row.id, _Moment(row.observed_at, row.seq, _by_clock(row)), row) for row in rows]


def _changed_between(connection: Connection, memory: Any, after: _Moment, before: _Moment) -> bool:
    """Return whether something else than the current text was stated between two moments."""
    query = select(turns.c.observed_at, turns.c.seq, turns.c.observed_from)
    query = query.join(evidence, evidence.c.turn_id == turns.c.id)
    query = query.where(evidence.c.memory_id == memory.id, evidence.c.version != memory.version)
    others = (_Moment(row.observed_at, row.seq, _by_clock(row)) for row in connection.execute(query))
    return any(after.is_before(other) and other.is_before(before) for other in others)
