"""Withdrawal of what memories quote of withheld messages.

A memory in own words may begin with what it answers (`Span.asked`), quoted from one or two messages before its own. If one of
these is withheld, because a memory that it supports was deleted, the quotation goes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, select

from langchain_memlora.ledger.rows import chunks, select_memories, to_memories
from langchain_memlora.ledger.schema import evidence, memories, turns
from langchain_memlora.types import Memory, MemoryState

MOST_QUOTED = 2
"""Messages that a memory quotes besides its own."""


def quoting_withheld(connection: Connection, changed: Sequence[str], deleted: Sequence[str]) -> Iterator[Memory]:
    """Yield the memories that quote withheld messages: among those changed, and those about messages after deleted ones."""
    ids = {*changed}
    for memory_id in deleted:
        links = select(turns).join(evidence, evidence.c.turn_id == turns.c.id).where(evidence.c.memory_id == memory_id)
        for turn in connection.execute(links).all():
            after = select(turns.c.id).where(_thread(turn), turns.c.seq > turn.seq).order_by(turns.c.seq)
            following = connection.execute(after.limit(MOST_QUOTED)).scalars().all()
            about = select(evidence.c.memory_id).where(evidence.c.turn_id.in_(following))
            ids.update(connection.execute(about).scalars())
    active = select_memories().where(memories.c.state == MemoryState.ACTIVE, memories.c.said.is_not(None))
    for part in chunks(sorted(ids)):
        for memory in to_memories(connection, connection.execute(active.where(memories.c.id.in_(part)))):
            if (
                memory.said
                and memory.said.asked
                and memory.turn_ids
                and _is_withheld(connection, memory, memory.said.asked)
            ):
                yield memory


def _is_withheld(connection: Connection, memory: Memory, asked: str) -> bool:
    here = connection.execute(select(turns).where(turns.c.id == memory.turn_ids[0])).one()
    earlier = select(turns).where(_thread(here), turns.c.seq < here.seq).order_by(turns.c.seq.desc())
    before = connection.execute(earlier.limit(MOST_QUOTED)).all()
    # A quotation that does not begin with the last speaker's is of both messages.
    if before and asked.casefold().startswith(f'{before[0].speaker or before[0].role}: "'.casefold()):
        before = before[:1]
    gone = select(evidence.c.turn_id).join(memories, memories.c.id == evidence.c.memory_id)
    gone = gone.where(memories.c.state == MemoryState.DELETED, evidence.c.turn_id.in_([turn.id for turn in before]))
    return connection.execute(gone).first() is not None


def _thread(turn: Any) -> Any:
    return (turns.c.scope_id == turn.scope_id) & (turns.c.thread_id == turn.thread_id)
