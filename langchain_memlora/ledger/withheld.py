"""The record of what deletions withhold. Every reader of turns asks here, and only `deletion` decides what is in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, or_, select

from langchain_memlora.ledger.rows import MEMORY, TURN, chunks, insert_new
from langchain_memlora.ledger.schema import evidence, memories, turns, withheld
from langchain_memlora.types import MemoryState, Withheld

_TABLES = {TURN: turns, MEMORY: memories}


def is_withheld() -> ColumnElement[bool]:
    """Return the condition on `turns` for those that are withheld. No other code states this rule."""
    return turns.c.id.in_(select(withheld.c.item_id).where(withheld.c.kind == TURN))


def withheld_among(connection: Connection, turn_ids: Iterable[str]) -> set[str]:
    """Return those of some turns that are withheld."""
    parts = (select(turns.c.id).where(turns.c.id.in_(part), is_withheld()) for part in chunks([*turn_ids]))
    return {key for part in parts for key in connection.execute(part).scalars()}


def note(connection: Connection, cause: str, kind: str, items: Mapping[str, str]) -> None:
    """Record that a deletion withholds items of one kind.

    Args:
        cause: The id of the memory or turn that was deleted.
        items: The reason, by the item's id.
    """
    table = _TABLES[kind]
    for part in chunks([*items]):
        owners = connection.execute(select(table.c.id, table.c.scope_id).where(table.c.id.in_(part))).all()
        rows = [
            {"scope_id": row.scope_id, "cause": cause, "kind": kind, "item_id": row.id, "reason": items[row.id]}
            for row in owners
        ]
        if rows:
            insert_new(connection, withheld, rows)


def receipts(connection: Connection, causes: Sequence[str]) -> dict[str, tuple[Withheld, ...]]:
    """Return what some deletions withhold, by the id of what was deleted."""
    found: dict[str, list[Withheld]] = {}
    for part in chunks(list(dict.fromkeys(causes))):
        query = select(withheld).where(withheld.c.cause.in_(part)).order_by(withheld.c.seq)
        for row in connection.execute(query):
            found.setdefault(row.cause, []).append(Withheld(row.kind, row.item_id, row.reason))
    return {cause: tuple(items) for cause, items in found.items()}


def withheld_because_of(connection: Connection, causes: Iterable[str], kind: str) -> set[str]:
    """Return the items of one kind that some deletions withhold."""
    parts = (
        select(withheld.c.item_id).where(withheld.c.cause.in_(part), withheld.c.kind == kind)
        for part in chunks([*causes])
    )
    return {key for part in parts for key in connection.execute(part).scalars()}


def take_out(connection: Connection, condition: ColumnElement[bool]) -> list[Any]:
    """Remove the rows that meet a condition; return them."""
    rows = list(connection.execute(select(withheld).where(condition).order_by(withheld.c.seq)))
    connection.execute(delete(withheld).where(condition))
    return rows


def note_evidence_of_deleted(connection: Connection) -> list[str]:
    """Withhold the turns behind deleted memories that have no receipt, as older versions did; return those turns."""
    links = select(evidence.c.memory_id, evidence.c.turn_id).join(memories, memories.c.id == evidence.c.memory_id)
    known = select(withheld.c.seq).where(or_(withheld.c.cause == memories.c.id, withheld.c.item_id == memories.c.id))
    rows = connection.execute(links.where(memories.c.state == MemoryState.DELETED, ~known.exists())).all()
    for memory_id, turn_id in rows:
        note(connection, memory_id, TURN, {turn_id: "evidence"})
    return [turn_id for _, turn_id in rows]
