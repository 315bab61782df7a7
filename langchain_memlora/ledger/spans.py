"""Spans in the ledger: their stored form, and their withdrawal when a turn they quote is erased.

A memory's span points into the turn that set its current text, which is the first evidence of that text. `asked` quotes the
one or two turns before that one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Table, select, update

from langchain_memlora.ledger.rows import chunks, select_memories, to_memories
from langchain_memlora.ledger.schema import evidence, memories, operations
from langchain_memlora.types import Event, Span


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


def superseded(
    connection: Connection, older: Mapping[str, Collection[str]], current: Mapping[str, Collection[str]]
) -> dict[str, tuple[tuple[int, int], ...]]:
    """Return the parts of turns, as offsets, that only superseded texts quote.

    Args:
        older: By turn, the memories that had a text from it and have a newer one now.
        current: By turn, the memories whose current text it supports.
    """
    quoted: dict[str, set[int]] = {turn_id: set() for turn_id in older}
    said = select(operations.c.memory_id, operations.c.turn_id, operations.c.said).where(
        operations.c.said.is_not(None), operations.c.event != Event.DELETE
    )
    for part in chunks(sorted({memory_id for ids in older.values() for memory_id in ids})):
        for row in connection.execute(said.where(operations.c.memory_id.in_(part))):
            if row.memory_id in older.get(row.turn_id, ()):
                quoted[row.turn_id] |= set(range(row.said["start"], row.said["end"]))
    for part in chunks(sorted({memory_id for ids in current.values() for memory_id in ids})):
        for memory in to_memories(connection, connection.execute(select_memories().where(memories.c.id.in_(part)))):
            if memory.said and memory.turn_ids and memory.turn_ids[0] in quoted:
                quoted[memory.turn_ids[0]] -= set(range(memory.said.start, memory.said.end))
    return {turn_id: tuple(_runs(sorted(offsets))) for turn_id, offsets in quoted.items() if offsets}


def _runs(offsets: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the ranges that offsets in order make."""
    for _, pairs in groupby(enumerate(offsets), lambda pair: pair[1] - pair[0]):
        run = [offset for _, offset in pairs]
        yield run[0], run[-1] + 1
