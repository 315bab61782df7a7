"""Forms of texts that were stored before the ledger kept them: read off the history, by who made each text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, select, update

from langchain_memlora.ledger.rows import chunks
from langchain_memlora.ledger.schema import memories, operations
from langchain_memlora.types import Event


def mark_unproven(connection: Connection, memory_ids: Sequence[str] | None = None) -> None:
    """Mark the texts that the extraction expert wrote as `unproven`, in these memories or in all; others stay `given`."""
    query = select(operations.c.seq, operations.c.memory_id, operations.c.event, operations.c.made_by)
    query = query.where(operations.c.memory_id.is_not(None)).order_by(operations.c.memory_id, operations.c.seq)
    parts = (query,) if memory_ids is None else (query.where(operations.c.memory_id.in_(p)) for p in chunks(memory_ids))
    ids: list[str] = []
    rows: list[int] = []
    for part in parts:
        for memory_id, history in groupby(connection.execute(part), attrgetter("memory_id")):
            unproven = list(_while_written(history))
            rows += [row.seq for row, written in unproven if written]
            ids += [memory_id] if unproven[-1][1] else []
    for some in chunks(ids):
        connection.execute(update(memories).where(memories.c.id.in_(some)).values(form="unproven"))
    for numbers in chunks(rows):
        connection.execute(update(operations).where(operations.c.seq.in_(numbers)).values(form="unproven"))


def _while_written(history: Iterator[Any]) -> Iterator[tuple[Any, bool]]:
    """Yield each operation on one memory, and whether the text after it (for DELETE, before it) is the expert's."""
    makers: list[str] = []  # of the current text and those it can be restored to
    for row in history:
        if row.made_by == "restore":
            if row.event == Event.UPDATE:
                makers.pop()
        elif row.event in {Event.ADD, Event.UPDATE}:
            makers.append(row.made_by)
        yield row, makers[-1:] == ["expert"]
