"""Appends turns, once each, together with the jobs that will read them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import ColumnElement, Connection, Text, cast, insert, select, true, update

from langchain_memlora.ledger import lexical
from langchain_memlora.ledger.rows import (
    TURN,
    WINDOW,
    chunks,
    note_changes,
    said,
    said_after,
    scope_id,
    select_turns,
    stamp,
    to_turn,
)
from langchain_memlora.ledger.schema import jobs, turns
from langchain_memlora.types import Scope, Turn


@dataclass(frozen=True, slots=True)
class Job:
    """One extraction window to be worked off: the new turns and the context they are read with."""

    id: str
    scope: Scope
    context: tuple[str, ...]
    turns: tuple[str, ...]
    status: str = "pending"
    attempts: int = 0
    error: str | None = None
    bundle: str | None = None


Cut = Callable[[Sequence[Turn], Sequence[Turn]], Sequence[tuple[Sequence[Turn], Sequence[Turn]]]]


def append(connection: Connection, scope: Scope, given: Sequence[Turn], cut: Cut) -> tuple[list[Turn], list[Job]]:
    """Store the turns of one thread that are not known yet, and a pending job for each part that `cut` makes of them.

    Args:
        given: Turns of one thread, in order.
        cut: Takes the new turns and those before them; gives (context, new turns) for each job.
    """
    owner = scope_id(connection, scope, create=True)
    thread = given[0].thread_id
    here = (turns.c.scope_id == owner) & (turns.c.thread_id == thread)
    known = set()
    for chunk in chunks([turn.message_id for turn in given]):
        known |= set(
            connection.execute(select(turns.c.message_id).where(here & turns.c.message_id.in_(chunk))).scalars()
        )
    before = _last(connection, here, 8)
    new = []
    for turn in given:
        if turn.message_id in known:
            continue
        known.add(turn.message_id)
        stored = replace(turn, id=uuid.uuid4().hex, scope=scope)
        result = connection.execute(insert(turns).values(**_values(stored), scope_id=owner))
        seq = result.inserted_primary_key[0]
        window = said_after((new or before or [None])[-1], stored)
        lexical.put(connection, scope.user_id, TURN, seq, stored.id, said(stored))
        lexical.put(connection, scope.user_id, WINDOW, seq, stored.id, window)
        new.append(stored)
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
    """Turns by id; ids that are not there, or do not fit the condition, are left out."""
    found = {}
    wanted = true() if condition is None else condition
    for chunk in chunks(list(ids)):
        for row in connection.execute(select_turns().where(turns.c.id.in_(chunk), wanted)):
            found[row.id] = to_turn(row)
    return found


def previous(connection: Connection, turn_ids: Sequence[str]) -> dict[str, Turn]:
    """For each turn, the one before it in the same thread."""
    found = {}
    for turn_id in turn_ids:
        here = connection.execute(select(turns).where(turns.c.id == turn_id)).one()
        same = (turns.c.scope_id == here.scope_id) & (turns.c.thread_id == here.thread_id) & (turns.c.seq < here.seq)
        if before := _last(connection, same, 1):
            found[turn_id] = before[0]
    return found


def describe(connection: Connection, turn_id: str, captions: Sequence[str]) -> None:
    """Write down what was seen in a turn's pictures, and let searches find it by that."""
    row = connection.execute(select_turns().where(turns.c.id == turn_id)).first()
    if row is None:  # it was erased meanwhile
        return
    images = [{"ref": ref, "caption": caption} for ref, caption in zip(to_turn(row).images, captions, strict=True)]
    connection.execute(update(turns).where(turns.c.id == turn_id).values(images=images))
    seen = replace(to_turn(row), captions=tuple(captions))
    before = previous(connection, [turn_id]).get(turn_id)
    lexical.put(connection, row.user_id, TURN, row.seq, turn_id, said(seen))
    lexical.put(connection, row.user_id, WINDOW, row.seq, turn_id, said_after(before, seen))
    same = (turns.c.scope_id == row.scope_id) & (turns.c.thread_id == row.thread_id) & (turns.c.seq > row.seq)
    after = connection.execute(select_turns().where(same).order_by(turns.c.seq).limit(1)).first()
    if after:
        lexical.put(connection, row.user_id, WINDOW, after.seq, after.id, said_after(seen, to_turn(after)))
    note_changes(connection, TURN, [turn_id, *([after.id] if after else [])])


def pictures(connection: Connection) -> set[str]:
    """References to all pictures that turns show."""
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
        "metadata": json.loads(json.dumps(turn.metadata, default=str)),
    }
