"""Withdrawal of what memories quote of withheld messages.

A memory in own words may begin with what it answers (`Span.asked`), quoted from one or two messages before its own. If one of
these is withheld, the quotation goes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, select

from langchain_memlora.ledger.rows import chunks, select_memories, to_memories
from langchain_memlora.ledger.schema import evidence, memories, turns
from langchain_memlora.ledger.withheld import withheld_among
from langchain_memlora.types import Memory, MemoryState

MOST_QUOTED = 2
"""Messages that a memory quotes besides its own."""


def quoting_withheld(connection: Connection, changed: Sequence[str], hidden: Sequence[str]) -> Iterator[Memory]:
    """Yield the memories that quote withheld messages: among those changed, and those about messages after hidden ones."""
    ids = {*changed}
    for turn in _rows(connection, hidden):
        after = select(turns.c.id).where(_thread(turn), turns.c.seq > turn.seq).order_by(turns.c.seq)
        following = connection.execute(after.limit(MOST_QUOTED)).scalars().all()
        about = select(evidence.c.memory_id).where(evidence.c.turn_id.in_(following))
        ids.update(connection.execute(about).scalars())
    active = select_memories().where(memories.c.state == MemoryState.ACTIVE, memories.c.said.is_not(None))
    for part in chunks(sorted(ids)):
        for memory in to_memories(connection, connection.execute(active.where(memories.c.id.in_(part)))):
            if memory.said and memory.said.asked and memory.turn_ids and withheld_quoted(connection, memory):
                yield memory


def quoting(connection: Connection, turn_id: str, after: Sequence[str]) -> Iterator[Memory]:
    """Yield the memories that quote a message: among those about the messages after it."""
    about = select(evidence.c.memory_id).where(evidence.c.turn_id.in_(after))
    active = select_memories().where(
        memories.c.state == MemoryState.ACTIVE, memories.c.said.is_not(None), memories.c.id.in_(about)
    )
    for memory in to_memories(connection, connection.execute(active)):
        if memory.said and memory.said.asked and memory.turn_ids and turn_id in _quoted(connection, memory):
            yield memory


def withheld_quoted(connection: Connection, memory: Memory) -> set[str]:
    """Return the withheld turns among those that a memory quotes."""
    return withheld_among(connection, _quoted(connection, memory))


def _quoted(connection: Connection, memory: Memory) -> list[str]:
    """Return the one or two turns that a memory quotes."""
    here = connection.execute(select(turns).where(turns.c.id == memory.turn_ids[0])).one()
    earlier = select(turns).where(_thread(here), turns.c.seq < here.seq).order_by(turns.c.seq.desc())
    before = connection.execute(earlier.limit(MOST_QUOTED)).all()
    asked = memory.said.asked if memory.said else ""
    # A quotation that does not begin with the last speaker's is of both messages.
    if before and asked.casefold().startswith(f'{before[0].speaker or before[0].role}: "'.casefold()):
        before = before[:1]
    return [turn.id for turn in before]


def _rows(connection: Connection, turn_ids: Sequence[str]) -> list[Any]:
    parts = chunks(turn_ids)
    return [row for part in parts for row in connection.execute(select(turns).where(turns.c.id.in_(part)))]


def _thread(turn: Any) -> Any:
    return (turns.c.scope_id == turn.scope_id) & (turns.c.thread_id == turn.thread_id)
