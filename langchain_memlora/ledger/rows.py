"""Turns table rows into the package's types and back."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, Table, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from langchain_memlora.ledger.schema import changes, evidence, memories, scopes, turns
from langchain_memlora.types import Memory, MemoryState, Scope, Turn

MEMORY = "memory"
TURN = "turn"
WINDOW = "window"


def now() -> datetime:
    """The clock, in UTC."""
    return datetime.now(UTC)


def stamp(moment: datetime) -> str:
    """A moment as text that sorts in time."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def moment(text: str) -> datetime:
    """The moment a stamp names."""
    return datetime.fromisoformat(text)


def owner_token(user_id: str, kind: str) -> str:
    """One word that stands for (user, kind of item) in full-text search."""
    return f"o{hashlib.sha256(user_id.encode()).hexdigest()[:32]}{kind[0]}"


def scope_id(connection: Connection, scope: Scope, *, create: bool = False) -> int | None:
    """The row of a scope."""
    key = {"user_id": scope.user_id, "agent_id": scope.agent_id or "", "run_id": scope.run_id or ""}
    found = connection.execute(select(scopes.c.id).filter_by(**key)).scalar()
    if found is None and create:
        found = connection.execute(insert(scopes).values(**key, revision=0)).inserted_primary_key[0]
    return found


def visible(scope: Scope) -> Any:
    """The condition on `scopes` for what a reader sees.

    A reader with an `agent_id` sees that agent's memories and the user's own; one without sees all of the user's.
    The same holds for `run_id`.
    """
    condition = scopes.c.user_id == scope.user_id
    for column, value in ((scopes.c.agent_id, scope.agent_id), (scopes.c.run_id, scope.run_id)):
        if value is not None:
            condition &= column.in_(("", value))
    return condition


def to_scope(row: Row[Any]) -> Scope:
    """A scope from a joined row."""
    return Scope(row.user_id, row.agent_id or None, row.run_id or None)


def select_turns() -> Any:
    """All turns with their scope."""
    return select(turns, scopes.c.user_id, scopes.c.agent_id, scopes.c.run_id).join(scopes)


def to_turn(row: Row[Any]) -> Turn:
    """A turn from a row of `select_turns`."""
    return Turn(
        id=row.id,
        scope=to_scope(row),
        role=row.role,
        text=row.text,
        observed_at=moment(row.observed_at),
        observed_from=row.observed_from,
        speaker=row.speaker,
        thread_id=row.thread_id,
        message_id=row.message_id,
        images=tuple(image if isinstance(image, str) else image["ref"] for image in row.images),
        captions=tuple(image["caption"] for image in row.images if not isinstance(image, str)),
        metadata=row.metadata,
    )


def select_memories() -> Any:
    """All memories with their scope."""
    return select(memories, scopes.c.user_id, scopes.c.agent_id, scopes.c.run_id).join(scopes)


def said(turn: Turn) -> str:
    """A turn as it is searched: its words after its speaker's name, for questions name people."""
    return f"{turn.speaker}: {turn.words}" if turn.speaker else turn.words


def said_after(before: Turn | None, turn: Turn) -> str:
    """A turn with the one before it, which often says what "it" is."""
    return f"{said(before)}\n{said(turn)}" if before else said(turn)


def to_memories(connection: Connection, rows: Iterable[Row[Any]]) -> list[Memory]:
    """Memories, with the turns that tell their current text, from rows of `select_memories`."""
    rows = list(rows)
    links = select(evidence.c.memory_id, evidence.c.turn_id).join(turns, turns.c.id == evidence.c.turn_id)
    links = links.join(memories, memories.c.id == evidence.c.memory_id)
    links = links.where(evidence.c.version == memories.c.version).order_by(turns.c.seq)
    told_by: dict[str, list[str]] = {}
    for chunk in chunks([row.id for row in rows]):
        for memory_id, turn_id in connection.execute(links.where(evidence.c.memory_id.in_(chunk))):
            told_by.setdefault(memory_id, []).append(turn_id)
    return [
        Memory(
            id=row.id,
            text=row.text,
            scope=to_scope(row),
            observed_at=moment(row.observed_at),
            created_at=moment(row.created_at),
            updated_at=moment(row.updated_at),
            state=MemoryState(row.state),
            turn_ids=tuple(told_by.get(row.id, ())),
            revision=row.revision,
            metadata=row.metadata,
        )
        for row in rows
    ]


def note_changes(connection: Connection, kind: str, ids: Iterable[str]) -> None:
    """Tell the indexes that items changed."""
    if values := [{"kind": kind, "item_id": item} for item in ids]:
        connection.execute(insert(changes), values)


def insert_new(connection: Connection, table: Table, rows: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> bool:
    """Insert a row, or several, leaving what is there under their keys as it is; of one row, whether it is new."""
    dialect = {"sqlite": sqlite, "postgresql": postgresql}[connection.dialect.name]
    statement = dialect.insert(table).on_conflict_do_nothing().execution_options(preserve_rowcount=True)
    return connection.execute(statement, rows).rowcount == 1


def chunks(ids: list[str], size: int = 500) -> Iterable[list[str]]:
    """Parts small enough for one SQL statement."""
    return (ids[i : i + size] for i in range(0, len(ids), size))
