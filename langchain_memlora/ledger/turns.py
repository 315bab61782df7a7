"""Storage of turns, once each, with the extraction jobs that process them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import ColumnElement, Connection, Text, cast, insert, select, true, update

from langchain_memlora.ledger import lexical
from langchain_memlora.ledger.rows import (
    TURN,
    WINDOW,
    chunks,
    insert_row,
    note_changes,
    said,
    said_after,
    scope_id,
    select_turns,
    stamp,
    to_scope,
    to_turn,
)
from langchain_memlora.ledger.schema import jobs, scopes, turns
from langchain_memlora.metadata import as_stored
from langchain_memlora.types import Scope, Turn


@dataclass(frozen=True, slots=True)
class Job:
    """One extraction window to process: the new turns and their context."""

    id: str
    scope: Scope
    context: tuple[str, ...]
    turns: tuple[str, ...]
    status: str = "pending"
    attempts: int = 0
    error: str | None = None
    bundle: str | None = None


Cut = Callable[[Sequence[Turn], Sequence[Turn]], Sequence[tuple[Sequence[Turn], Sequence[Turn]]]]


def append(
    connection: Connection, scope: Scope, given: Sequence[Turn], cut: Cut, context_turns: int
) -> tuple[list[Turn], list[Job]]:
    """Store the turns of one thread that are not known yet, and a pending job for each part that `cut` makes of them.

    Args:
        given: Turns of one thread, in order.
        cut: Takes the new turns and the turns before them; returns (context, new turns) for each job.
        context_turns: Maximum number of earlier turns that `cut` receives; at least 1 is read, for the two-turn window.
    """
    owner = scope_id(connection, scope, create=True)
    thread = given[0].thread_id
    here = (turns.c.scope_id == owner) & (turns.c.thread_id == thread)
    known = set()
    for chunk in chunks([turn.message_id for turn in given]):
        known |= set(
            connection.execute(select(turns.c.message_id).where(here & turns.c.message_id.in_(chunk))).scalars()
        )
    before = _last(connection, here, max(context_turns, 1))
    last = before[-1] if before else None
    new: list[Turn] = []
    for turn in given:
        if turn.message_id in known:
            continue
        known.add(turn.message_id)
        stored = replace(turn, id=uuid.uuid4().hex, scope=scope)
        seq = insert_row(connection, turns, {**_values(stored), "scope_id": owner})
        stored = replace(stored, seq=seq)
        lexical.put(connection, scope.user_id, TURN, seq, stored.id, said(stored))
        lexical.put(connection, scope.user_id, WINDOW, seq, stored.id, said_after(last, stored))
        new.append(stored)
        last = stored
    note_changes(connection, TURN, [turn.id for turn in new])
    made = [
        Job(uuid.uuid4().hex, scope, tuple(t.id for t in context), tuple(t.id for t in part))
        for context, part in (cut(new, before) if new else [])
    ]
    if made:
        rows = [
            {"id": j.id, "scope_id": owner, "context": j.context, "turns": j.turns, "status": j.status} for j in made
        ]
        connection.execute(insert(jobs), rows)
    return new, made


def get_turns(
    connection: Connection, ids: Sequence[str], condition: ColumnElement[bool] | None = None
) -> dict[str, Turn]:
    """Return turns by id; ids that do not exist or do not meet the condition are left out."""
    found = {}
    wanted = true() if condition is None else condition
    for chunk in chunks(list(ids)):
        for row in connection.execute(select_turns().where(turns.c.id.in_(chunk), wanted)):
            found[row.id] = to_turn(row)
    return found


def get_jobs(connection: Connection, statuses: Sequence[str], user_id: str | None = None) -> list[Job]:
    """Return the jobs in these states, of all users or of one, oldest first."""
    query = select(jobs, scopes.c.user_id, scopes.c.agent_id, scopes.c.run_id).join(scopes)
    if user_id is not None:
        query = query.where(scopes.c.user_id == user_id)
    return [
        Job(
            row.id,
            to_scope(row),
            tuple(row.context),
            tuple(row.turns),
            row.status,
            row.attempts,
            row.error,
            row.bundle,
        )
        for row in connection.execute(query.where(jobs.c.status.in_(statuses)).order_by(jobs.c.seq))
    ]


def turns_of(connection: Connection, job_ids: Sequence[str]) -> list[str]:
    """Return the ids of the new turns of some jobs."""
    parts = (select(jobs.c.turns).where(jobs.c.id.in_(part)) for part in chunks(list(job_ids)))
    return [key for part in parts for keys in connection.execute(part).scalars() for key in keys]


def previous(connection: Connection, turn_ids: Sequence[str]) -> dict[str, Turn]:
    """Return the preceding turn in the same thread, by turn id."""
    earlier = turns.alias()
    same = (earlier.c.scope_id == turns.c.scope_id) & (earlier.c.thread_id == turns.c.thread_id)
    last = select(earlier.c.seq).where(same, earlier.c.seq < turns.c.seq).order_by(earlier.c.seq.desc()).limit(1)
    before: dict[str, int] = {}
    for part in chunks(list(dict.fromkeys(turn_ids))):
        pairs = select(turns.c.id, last.correlate(turns).scalar_subquery().label("last")).where(turns.c.id.in_(part))
        before |= {row.id: row.last for row in connection.execute(pairs) if row.last is not None}
    found: dict[int, Turn] = {}
    for numbers in chunks(sorted(set(before.values()))):
        rows = connection.execute(select_turns().where(turns.c.seq.in_(numbers)))
        found |= {row.seq: to_turn(row) for row in rows}
    return {turn_id: found[seq] for turn_id, seq in before.items()}


def describe(connection: Connection, turn_id: str, captions: Sequence[str]) -> None:
    """Store the captions of a turn's pictures, and make the turn searchable by them."""
    row = connection.execute(select_turns().where(turns.c.id == turn_id)).first()
    if row is None:  # erased in the meantime
        return
    images = [{"ref": ref, "caption": caption} for ref, caption in zip(to_turn(row).images, captions, strict=True)]
    connection.execute(update(turns).where(turns.c.id == turn_id).values(images=images))
    captioned = replace(to_turn(row), captions=tuple(captions))
    before = previous(connection, [turn_id]).get(turn_id)
    lexical.put(connection, row.user_id, TURN, row.seq, turn_id, said(captioned))
    lexical.put(connection, row.user_id, WINDOW, row.seq, turn_id, said_after(before, captioned))
    same = (turns.c.scope_id == row.scope_id) & (turns.c.thread_id == row.thread_id) & (turns.c.seq > row.seq)
    after = connection.execute(select_turns().where(same).order_by(turns.c.seq).limit(1)).first()
    if after:
        lexical.put(connection, row.user_id, WINDOW, after.seq, after.id, said_after(captioned, to_turn(after)))
    note_changes(connection, TURN, [turn_id, *([after.id] if after else [])])


def pictures(connection: Connection) -> set[str]:
    """Return the references to all pictures in turns."""
    shown = connection.execute(select(turns.c.images).where(cast(turns.c.images, Text) != "[]")).scalars()
    return {image if isinstance(image, str) else image["ref"] for images in shown for image in images}


def _last(connection: Connection, condition: object, count: int) -> list[Turn]:
    rows = connection.execute(select_turns().where(condition).order_by(turns.c.seq.desc()).limit(count))
    return [to_turn(row) for row in rows][::-1]


def _values(turn: Turn) -> dict[str, object]:
    return {
        "id": turn.id,
        "thread_id": turn.thread_id,
        "message_id": turn.message_id,
        "role": turn.role,
        "speaker": turn.speaker,
        "text": turn.text,
        "observed_at": stamp(turn.observed_at),
        "observed_from": turn.observed_from,
        "images": list(turn.images),
        "metadata": as_stored(turn.metadata),
    }
