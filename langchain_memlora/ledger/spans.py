"""Spans in the ledger: their stored form, and their withdrawal when a turn they quote is erased.

A memory's span points into the turn that set its current text, which is the first evidence of that text. `asked` quotes the
one or two turns before that one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Table, select, update

from langchain_memlora.ledger.rows import chunks
from langchain_memlora.ledger.schema import evidence, memories, operations
from langchain_memlora.types import Span


def to_json(span: Span | None) -> dict[str, Any] | None:
    """Return the stored form of a span."""
    return None if span is None else asdict(span)


def checked(stored: Any) -> dict[str, Any] | None:
    """Return the stored form of a span that comes from a file.

    Raises:
        TypeError: A part is missing, unknown or of another type.
        ValueError: The offsets are not a part of a text.
    """
    if stored is None:
        return None
    span = Span(**stored)
    if not isinstance(span.start, int) or not isinstance(span.end, int) or not isinstance(span.asked, str):
        msg = f"{span} has parts of other types; allowed are two integers and a string"
        raise TypeError(msg)
    if not 0 <= span.start <= span.end:
        msg = f"{span} begins before 0 or after its end"
        raise ValueError(msg)
    return to_json(span)


def questions(connection: Connection, table: Table, condition: Any) -> Iterator[str]:
    """Yield what the spans of some memories or operations quote of other messages."""
    for stored in connection.execute(select(table.c.said).where(table.c.said.is_not(None), condition)).scalars():
        if stored["asked"]:
            yield stored["asked"]


def withdraw(connection: Connection, gone: Collection[str], after: Collection[str]) -> set[str]:
    """Remove what spans quote of turns to be erased; their evidence must still be there.

    Args:
        gone: The turns to be erased. Spans into them are removed.
        after: The two turns that follow each of them. Spans into these keep their offsets but not their question.

    Returns:
        The questions that no longer are in these spans.
    """
    dropped: set[str] = set()
    source = (
        select(evidence.c.turn_id)
        .where(evidence.c.memory_id == memories.c.id, evidence.c.version == memories.c.version)
        .order_by(evidence.c.seq)
        .limit(1)
        .scalar_subquery()
    )
    for part in chunks(sorted({*gone, *after})):
        supported = memories.c.id.in_(select(evidence.c.memory_id).where(evidence.c.turn_id.in_(part)))
        for table, turn, condition in (
            (memories, source, supported),
            (operations, operations.c.turn_id, operations.c.turn_id.in_(part)),
        ):
            spans = select(table.c.seq, table.c.said, turn.label("turn")).where(table.c.said.is_not(None), condition)
            for row in connection.execute(spans).all():
                if row.turn not in part:
                    continue
                kept = None if row.turn in gone else {**row.said, "asked": ""}
                if kept != row.said:
                    connection.execute(update(table).where(table.c.seq == row.seq).values(said=kept))
                    dropped.add(row.said["asked"])
    return dropped - {""}
