"""Storage of turns, with the extraction jobs that process them, and their entries in search.

A turn's window is its text after that of the turn before it in the thread, or alone if that turn is withheld.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import ColumnElement, Connection, Text, cast, insert, select, true, update

from langchain_memlora.ledger import lexical
from langchain_memlora.ledger.rows import (
    TURN,
    WINDOW,
    chunks,
    insert_row,
    note_changes,
    observed,
    references,
    said,
    said_after,
    select_turns,
    to_scope,
    to_turn,
)
from langchain_memlora.ledger.schema import jobs, scopes, turns
from langchain_memlora.ledger.withheld import is_withheld, withheld_among
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


def insert_new_turns(connection: Connection, owner: int, given: Sequence[Turn], last: Turn | None) -> list[Turn]:
    """Store turns at the end of their thread, and make them searchable; return them with their ids.

    Args:
        owner: The row id of their scope.
        last: The turn before them in the thread, if it is not withheld.
    """
    new: list[Turn] = []
    for turn in given:
        stored = replace(turn, id=uuid.uuid4().hex)
        seq = insert_row(connection, turns, {**values_of(stored), "scope_id": owner})
        stored = replace(stored, seq=seq)
        put_words(connection, stored, last)
        new.append(stored)
        last = stored
    note_changes(connection, TURN, [turn.id for turn in new])
    return new


def insert_jobs(
    connection: Connection, owner: int, scope: Scope, parts: Sequence[tuple[Sequence[Turn], Sequence[Turn]]]
) -> list[Job]:
    """Store a pending job for each part, which is (context, new turns)."""
    made = [
        Job(uuid.uuid4().hex, scope, tuple(t.id for t in context), tuple(t.id for t in part)) for context, part in parts
    ]
    if made:
        rows = [
            {"id": j.id, "scope_id": owner, "context": j.context, "turns": j.turns, "status": j.status} for j in made
        ]
        connection.execute(insert(jobs), rows)
    return made


def put_words(connection: Connection, turn: Turn, before: Turn | None) -> None:
    """Make a stored turn searchable by its words, alone and after those of the turn before it."""
    lexical.put(connection, turn.scope.user_id, TURN, turn.seq, turn.id, said(turn))
    lexical.put(connection, turn.scope.user_id, WINDOW, turn.seq, turn.id, said_after(before, turn))


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
    """Return the preceding turn in the same thread, by turn id; one that is withheld is left out."""
    earlier = turns.alias()
    same = (earlier.c.scope_id == turns.c.scope_id) & (earlier.c.thread_id == turns.c.thread_id)
    last = select(earlier.c.seq).where(same, earlier.c.seq < turns.c.seq).order_by(earlier.c.seq.desc()).limit(1)
    before: dict[str, int] = {}
    for part in chunks(list(dict.fromkeys(turn_ids))):
        pairs = select(turns.c.id, last.correlate(turns).scalar_subquery().label("last")).where(turns.c.id.in_(part))
        before |= {row.id: row.last for row in connection.execute(pairs) if row.last is not None}
    found: dict[int, Turn] = {}
    for numbers in chunks(sorted(set(before.values()))):
        rows = connection.execute(select_turns().where(turns.c.seq.in_(numbers), ~is_withheld()))
        found |= {row.seq: to_turn(row) for row in rows}
    return {turn_id: found[seq] for turn_id, seq in before.items() if seq in found}


def rewrite_entries(connection: Connection, turn_ids: Iterable[str]) -> None:
    """Rewrite what search holds of turns that were captioned, edited, withheld or brought back, and of the turns after them."""
    ids = set(turn_ids)
    rows = [
        row for part in chunks(sorted(ids)) for row in connection.execute(select(turns).where(turns.c.id.in_(part)))
    ]
    for row in rows:
        same = (turns.c.scope_id == row.scope_id) & (turns.c.thread_id == row.thread_id) & (turns.c.seq > row.seq)
        ids.update(connection.execute(select(turns.c.id).where(same).order_by(turns.c.seq).limit(1)).scalars())
    found, before = get_turns(connection, sorted(ids)), previous(connection, sorted(ids))
    hidden = withheld_among(connection, found)
    for key, turn in found.items():
        if key in hidden:
            lexical.remove(connection, TURN, turn.seq)
            lexical.remove(connection, WINDOW, turn.seq)
        else:
            put_words(connection, turn, before.get(key))
    note_changes(connection, TURN, sorted(found, key=lambda key: found[key].seq))


def describe(connection: Connection, turn_id: str, captions: Sequence[str]) -> None:
    """Store the captions of a turn's pictures, and make the turn searchable by them."""
    row = connection.execute(select_turns().where(turns.c.id == turn_id)).first()
    if row is None:  # erased in the meantime
        return
    images = [{"ref": ref, "caption": caption} for ref, caption in zip(to_turn(row).images, captions, strict=True)]
    connection.execute(update(turns).where(turns.c.id == turn_id).values(images=images))
    rewrite_entries(connection, [turn_id])


def following(connection: Connection, turn_id: str, count: int) -> list[Turn]:
    """Return up to `count` turns after one in its thread, in order."""
    here = connection.execute(select(turns).where(turns.c.id == turn_id)).one()
    later = (turns.c.scope_id == here.scope_id) & (turns.c.thread_id == here.thread_id) & (turns.c.seq > here.seq)
    rows = connection.execute(select_turns().where(later).order_by(turns.c.seq).limit(count))
    return [to_turn(row) for row in rows]


def pictures(connection: Connection) -> set[str]:
    """Return the references to all pictures in turns."""
    shown = connection.execute(select(turns.c.images).where(cast(turns.c.images, Text) != "[]")).scalars()
    return {reference for images in shown for reference in references(images)}


def last_turns(connection: Connection, owner: int, thread_id: str, count: int, before: int | None = None) -> list[Turn]:
    """Return the last turns of a thread, or those before a row number, in order."""
    condition = (turns.c.scope_id == owner) & (turns.c.thread_id == thread_id)
    if before is not None:
        condition &= turns.c.seq < before
    rows = connection.execute(select_turns().where(condition).order_by(turns.c.seq.desc()).limit(count))
    return [to_turn(row) for row in rows][::-1]


def values_of(turn: Turn) -> dict[str, object]:
    """Return the columns of a turn."""
    return {
        "id": turn.id,
        "thread_id": turn.thread_id,
        "message_id": turn.message_id,
        "role": turn.role,
        "speaker": turn.speaker,
        "text": turn.text,
        **observed(turn.observed_at),
        "observed_from": turn.observed_from,
        "images": list(turn.images),
        "metadata": as_stored(turn.metadata),
    }
