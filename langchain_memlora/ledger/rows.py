"""Conversion between table rows and the package's types."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timezone
from typing import Any, Literal, TypeVar, overload

from sqlalchemy import Connection, Row, Table, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from langchain_memlora.errors import LedgerError
from langchain_memlora.ledger.schema import UTC_OFFSET, changes, evidence, memories, scopes, turns
from langchain_memlora.types import Memory, MemoryState, Scope, Span, Turn

MEMORY = "memory"
TURN = "turn"
WINDOW = "window"
_Id = TypeVar("_Id", str, int)


def now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


def stamp(moment: datetime) -> str:
    """Format a moment as text that sorts by time."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def moment(text: str) -> datetime:
    """Parse the text that `stamp` wrote."""
    return datetime.fromisoformat(text)


def observed(at: datetime) -> dict[str, str]:
    """Return the columns of a speaker's time."""
    offset = at.utcoffset()
    return {"observed_at": stamp(at), "utc_offset": (offset and timezone(offset).tzname(None)[3:]) or UTC_OFFSET}


def observed_at(utc: str, offset: str) -> datetime:
    """Parse what `observed` returned.

    Raises:
        ValueError: The offset is invalid, or the time is outside the years 1 to 9999 there.
    """
    zone = datetime.fromisoformat(f"2000-01-01T00:00:00{offset}").tzinfo
    if zone is None:
        msg = f"utc_offset={offset!r} is none; allowed are texts such as '+09:00'"
        raise ValueError(msg)
    try:
        return moment(utc).astimezone(zone)
    except OverflowError as error:
        msg = f"{utc} has no date at the offset {offset}"
        raise ValueError(msg) from error


def owner_token(user_id: str, kind: str) -> str:
    """Return one word that represents (user, kind of item) in full-text search."""
    return f"o{hashlib.sha256(user_id.encode()).hexdigest()[:32]}{kind[0]}"


@overload
def scope_id(connection: Connection, scope: Scope, *, create: Literal[True]) -> int: ...


@overload
def scope_id(connection: Connection, scope: Scope) -> int | None: ...


def scope_id(connection: Connection, scope: Scope, *, create: bool = False) -> int | None:
    """Return the row id of a scope."""
    key = {"user_id": scope.user_id, "agent_id": scope.agent_id or "", "run_id": scope.run_id or ""}
    found = connection.execute(select(scopes.c.id).filter_by(**key)).scalar()
    if found is None and create:
        found = insert_row(connection, scopes, {**key, "revision": 0})
    return found


def readable_by(scope: Scope) -> Any:
    """Return the SQL condition on `scopes` for the rows that a scope can read. No other code states this rule.

    A reader with an `agent_id` reads that agent's rows and the user's own; one without reads all of the user's.
    The same holds for `run_id`.
    """
    condition = scopes.c.user_id == scope.user_id
    for column, value in ((scopes.c.agent_id, scope.agent_id), (scopes.c.run_id, scope.run_id)):
        if value is not None:
            condition &= column.in_(("", value))
    return condition


def to_scope(row: Row[Any]) -> Scope:
    """Return the scope of a joined row."""
    return Scope(row.user_id, row.agent_id or None, row.run_id or None)


def select_turns() -> Any:
    """Return a query for all turns with their scope."""
    return select(turns, scopes.c.user_id, scopes.c.agent_id, scopes.c.run_id).join(scopes)


def to_turn(row: Row[Any]) -> Turn:
    """Return the turn of a row of `select_turns`."""
    return Turn(
        id=row.id,
        scope=to_scope(row),
        role=row.role,
        text=row.text,
        observed_at=observed_at(row.observed_at, row.utc_offset),
        observed_from=row.observed_from,
        speaker=row.speaker,
        thread_id=row.thread_id,
        message_id=row.message_id,
        images=references(row.images),
        captions=tuple(image["caption"] for image in row.images if not isinstance(image, str)),
        metadata=row.metadata,
        unread=row.unread,
        seq=row.seq,
    )


def references(images: Iterable[Any]) -> tuple[str, ...]:
    """Return the references in `turns.images`, with captions or without."""
    return tuple(image if isinstance(image, str) else image["ref"] for image in images)


def select_memories() -> Any:
    """Return a query for all memories with their scope."""
    return select(memories, scopes.c.user_id, scopes.c.agent_id, scopes.c.run_id).join(scopes)


def said(turn: Turn) -> str:
    """Return a turn's search text: its words after its speaker's name, since questions name people."""
    return f"{turn.speaker}: {turn.words}" if turn.speaker else turn.words


def said_after(before: Turn | None, turn: Turn) -> str:
    """Return a turn's search text with that of the turn before it, which often says what "it" is."""
    return f"{said(before)}\n{said(turn)}" if before else said(turn)


def to_memories(connection: Connection, rows: Iterable[Row[Any]]) -> list[Memory]:
    """Return memories from rows of `select_memories`, each with the turns that support its text: first the one that set it."""
    rows = list(rows)
    links = select(evidence.c.memory_id, evidence.c.turn_id).join(turns, turns.c.id == evidence.c.turn_id)
    links = links.join(memories, memories.c.id == evidence.c.memory_id)
    links = links.where(evidence.c.version == memories.c.version).order_by(evidence.c.seq)
    supported_by: dict[str, list[str]] = {}
    for chunk in chunks([row.id for row in rows]):
        for memory_id, turn_id in connection.execute(links.where(evidence.c.memory_id.in_(chunk))):
            supported_by.setdefault(memory_id, []).append(turn_id)
    return [
        Memory(
            id=row.id,
            text=row.text,
            scope=to_scope(row),
            observed_at=observed_at(row.observed_at, row.utc_offset),
            created_at=moment(row.created_at),
            updated_at=moment(row.updated_at),
            state=MemoryState(row.state),
            turn_ids=tuple(supported_by.get(row.id, ())),
            revision=row.revision,
            metadata=row.metadata,
            form=row.form,
            said=row.said and Span(**row.said),
        )
        for row in rows
    ]


def note_changes(connection: Connection, kind: str, ids: Iterable[str]) -> None:
    """Record for the indexes that items changed."""
    if values := [{"kind": kind, "item_id": item} for item in ids]:
        connection.execute(insert(changes), values)


def insert_row(connection: Connection, table: Table, values: Mapping[str, Any]) -> int:
    """Insert a row and return its primary key."""
    key = connection.execute(insert(table).values(**values)).inserted_primary_key
    if key is None:
        msg = f"The database returned no key for a new row of {table.name}. Check that the table has not been changed."
        raise LedgerError(msg)
    return int(key[0])


def insert_new(connection: Connection, table: Table, rows: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> bool:
    """Insert one or several rows unless their keys exist; for one row, return whether it is new."""
    dialect = {"sqlite": sqlite, "postgresql": postgresql}[connection.dialect.name]
    statement = dialect.insert(table).on_conflict_do_nothing().execution_options(preserve_rowcount=True)
    return connection.execute(statement, rows).rowcount == 1


def chunks(ids: Sequence[_Id], size: int = 500) -> Iterator[Sequence[_Id]]:
    """Split ids into parts small enough for one SQL statement."""
    return (ids[i : i + size] for i in range(0, len(ids), size))
