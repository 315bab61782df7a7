"""Edits: a turn gets another text, and what rested on the old one is taken back. Only called inside a write transaction.

The turn keeps its id and its place in the thread. A memory whose current text the turn stated goes back to what another
message or the caller stated, or is withdrawn. Operations keep the old texts, so that `restore` can undo each of these changes;
no search finds them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

from sqlalchemy import Connection, delete, select, update

from langchain_memlora.ledger import erasure, job_states, later, memories
from langchain_memlora.ledger.memories import EDIT
from langchain_memlora.ledger.new_operation import NewOperation
from langchain_memlora.ledger.quoted import MOST_QUOTED, quoting
from langchain_memlora.ledger.rows import (
    observed_at,
    said,
    said_after,
    select_memories,
    select_turns,
    to_memories,
    to_turn,
)
from langchain_memlora.ledger.schema import UTC_OFFSET, evidence, jobs, operations, scopes, turns
from langchain_memlora.ledger.schema import memories as memories_table
from langchain_memlora.ledger.turns import (
    Cut,
    Job,
    following,
    insert_jobs,
    last_turns,
    previous,
    rewrite_entries,
    values_of,
)
from langchain_memlora.ledger.withheld import withheld_among
from langchain_memlora.types import FORGET_PREFIX, Event, Memory, MemoryState, Operation, Scope, Span, Turn


def edit(
    connection: Connection, owner: int, turn_id: str, new: Turn, cut: Cut, context_turns: int
) -> tuple[Turn, list[Job], list[Operation]]:
    """Replace what a turn says; return it with the jobs that read it and the operations that took its old facts back."""
    old = to_turn(connection.execute(select_turns().where(turns.c.id == turn_id)).one())
    after = following(connection, turn_id, MOST_QUOTED)
    erasure.erase_cached(connection, _embedded(connection, old, after[:1]))
    taken_back = _take_back(connection, owner, old.scope, turn_id)
    for memory in [*quoting(connection, turn_id, [turn.id for turn in after])]:
        taken_back += memories.strip_question(connection, memory, EDIT)
    turn = replace(new, id=turn_id, seq=old.seq, thread_id=old.thread_id, metadata=new.metadata or old.metadata)
    if new.observed_from == "clock":
        turn = replace(turn, observed_at=old.observed_at, observed_from=old.observed_from)
    if new.images == old.images:
        turn = replace(turn, captions=old.captions)
    connection.execute(update(turns).where(turns.c.id == turn_id).values(**values_of(turn), unread=""))
    later.show_edited(connection, turn)
    rewrite_entries(connection, [turn_id])
    connection.execute(update(scopes).where(scopes.c.id == owner).values(revision=scopes.c.revision + 1))
    return turn, _to_read(connection, owner, turn, cut, context_turns), taken_back


def _to_read(connection: Connection, owner: int, turn: Turn, cut: Cut, context_turns: int) -> list[Job]:
    """Return the pending jobs that read a turn's new text: those that were to read the old one, else new ones."""
    renewed = job_states.renew(connection, owner, turn.id)
    rows = connection.execute(select(jobs).where(jobs.c.id.in_(renewed)).order_by(jobs.c.seq)).all()
    open_jobs = [Job(row.id, turn.scope, tuple(row.context), tuple(row.turns)) for row in rows]
    if any(turn.id in job.turns for job in open_jobs):
        return open_jobs
    before = last_turns(connection, owner, turn.thread_id, max(context_turns, 1), before=turn.seq)
    hidden = withheld_among(connection, [one.id for one in before])
    parts = cut([turn], [one for one in before if one.id not in hidden])
    return [*open_jobs, *insert_jobs(connection, owner, turn.scope, parts)]


def _take_back(connection: Connection, owner: int, scope: Scope, turn_id: str) -> list[Operation]:
    """Undo what a turn stated, and remove it from the evidence of memories."""
    linked = select(evidence.c.memory_id).where(evidence.c.turn_id == turn_id)
    query = select_memories().where(memories_table.c.id.in_(linked), memories_table.c.state == MemoryState.ACTIVE)
    supported = to_memories(connection, connection.execute(query.order_by(memories_table.c.seq)))
    texts = {memory.id: memories.texts_of(connection, memory.id) for memory in supported}
    stated = [memory for memory in supported if texts[memory.id] and texts[memory.id][-1].turn_id == turn_id]
    earlier = {memory.id: _without(connection, memory, turn_id, texts[memory.id]) for memory in stated}
    connection.execute(delete(evidence).where(evidence.c.turn_id == turn_id))
    done = memories.apply(connection, scope, [change for change in earlier.values() if change])
    for memory in stated:
        if earlier[memory.id]:
            for other in memory.turn_ids:
                if other != turn_id:
                    memories.link(connection, memory.id, other)
    return done + memories.withdraw(connection, scope, [m.id for m in stated if not earlier[m.id]], EDIT)


def _without(connection: Connection, memory: Memory, turn_id: str, texts: list[Any]) -> NewOperation | None:
    """Return the change that gives a memory the text it would have without a turn; `None` if it would have none.

    This is the text of another message that repeated the turn's, else the last one that another message or the caller gave.
    """
    repeated = select(operations, turns.c.observed_at, turns.c.utc_offset).join(
        turns, turns.c.id == operations.c.turn_id
    )
    repeated = repeated.where(operations.c.memory_id == memory.id, operations.c.event == Event.NONE)
    others = [key for key in memory.turn_ids if key != turn_id]
    for row in connection.execute(repeated.where(operations.c.turn_id.in_(others)).order_by(operations.c.seq)):
        if row.fact and not row.fact.startswith(FORGET_PREFIX):
            return _back_to(memory, row.fact, row, None)
    linked = select(evidence.c.turn_id).where(evidence.c.memory_id == memory.id, evidence.c.turn_id != turn_id)
    holding = {*connection.execute(linked).scalars()}
    for row in reversed(texts[:-1]):
        if row.turn_id is None or row.turn_id in holding:  # else that message was edited too
            return _back_to(memory, row.after, row, row.said and Span(**row.said))
    return None


def _back_to(memory: Memory, text: str, row: Any, said: Span | None) -> NewOperation:
    return NewOperation(
        Event.UPDATE,
        memory.id,
        text,
        turn_id=row.turn_id,
        observed_at=observed_at(row.observed_at or row.at, row.utc_offset or UTC_OFFSET),
        by=EDIT,
        form=row.form,
        said=said,
    )


def _embedded(connection: Connection, old: Turn, after: list[Turn]) -> Iterator[str]:
    """Yield every text with the old words of a turn that may be embedded."""
    before = previous(connection, [old.id]).get(old.id)
    variants = erasure.as_embedded(old)
    yield from map(said, variants)
    for first, second in product(erasure.as_embedded(before) if before else [None], variants):
        yield said_after(first, second)
    for one in after:
        for first, second in product(variants, erasure.as_embedded(one)):
            yield said_after(first, second)
