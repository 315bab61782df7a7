"""The turns that are still to be read for facts, and the unproven memories that give way to what is read from them.

`turns.unread` is written in the transaction that commits what was read, so that interrupted work goes on where it ended. An
unproven memory gives way only if an expert alone made it: what a caller has updated or restored stays.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, or_, select, update

from langchain_memlora.ledger.database import Database
from langchain_memlora.ledger.memories import EDIT, REREAD
from langchain_memlora.ledger.order import BACKFILL
from langchain_memlora.ledger.rows import chunks, moment, scope_id, select_turns, stamp, to_scope, to_turn
from langchain_memlora.ledger.schema import evidence, memories, operations, scopes, turns
from langchain_memlora.ledger.withheld import is_withheld, withheld_among
from langchain_memlora.types import FORGET_PREFIX, Event, MemoryState, Scope, Turn

_WITHOUT_NEWS = (BACKFILL, EDIT, REREAD, "restore", "split", "withhold")
"""Makers of operations after which what the text states still holds, or holds again."""


@dataclass(frozen=True, slots=True)
class Closed:
    """A text that was superseded or deleted, or a request to forget: what was said before it must not come back.

    Attributes:
        at: The time of the turn that closed it, or of the call.
        is_request: The text is that of a request to forget.
        turn_id: The turn of a request; only `requests_after` sets it.
    """

    text: str
    at: datetime
    is_request: bool = False
    turn_id: str | None = None


@dataclass(frozen=True, slots=True)
class ReadingCounts:
    """The number of turns and memories that wait for a `reread`.

    Attributes:
        language: Turns in a language that the bundle did not know.
        again: Turns that an interrupted `reread` has not reached.
        unproven: Memories that rest on turns which can be read again.
    """

    language: int
    again: int
    unproven: int


class Reading:
    """The ledger's record of what is still to be read. Every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def mark_again(self) -> None:
        """Mark the turns behind unproven memories, of all users, to be read again."""
        with self._database.writing() as connection:
            behind = turns.c.id.in_(_behind_unproven().with_only_columns(evidence.c.turn_id))
            read = (turns.c.unread == "") & ~is_withheld()
            connection.execute(update(turns).where(behind, read).values(unread="again"))

    def waiting(self) -> dict[Scope, list[str]]:
        """Return the ids of the turns to read, by scope, in the order they were observed. Withheld turns are left out."""
        found: dict[Scope, list[str]] = {}
        query: Any = select(turns.c.id, scopes.c.user_id, scopes.c.agent_id, scopes.c.run_id).join(scopes)
        query = query.where(turns.c.unread != "", ~is_withheld())
        with self._database.reading() as connection:
            for row in connection.execute(query.order_by(scopes.c.id, turns.c.observed_at, turns.c.seq)):
                found.setdefault(to_scope(row), []).append(row.id)
        return found

    def counts(self) -> ReadingCounts:
        """Count what waits to be read."""
        with self._database.reading() as connection:
            marks = select(turns.c.unread, func.count()).where(turns.c.unread != "", ~is_withheld())
            by_mark = {row[0]: row[1] for row in connection.execute(marks.group_by(turns.c.unread))}
            readable = _behind_unproven().join(turns, turns.c.id == evidence.c.turn_id)
            readable = readable.where(turns.c.unread != "language", ~is_withheld())
            unproven = select(func.count(func.distinct(readable.subquery().c.memory_id)))
            return ReadingCounts(
                by_mark.get("language", 0), by_mark.get("again", 0), connection.execute(unproven).scalar_one()
            )

    def before(self, turn_id: str, count: int) -> list[Turn]:
        """Return up to `count` turns before one in its thread, in order, without withheld ones."""
        with self._database.reading() as connection:
            here = connection.execute(select(turns).where(turns.c.id == turn_id)).first()
            if here is None:
                return []
            thread = (turns.c.scope_id == here.scope_id) & (turns.c.thread_id == here.thread_id)
            query = select_turns().where(thread, turns.c.seq < here.seq).order_by(turns.c.seq.desc()).limit(count)
            withheld = set(connection.execute(select(turns.c.id).where(thread, is_withheld())).scalars())
            return [to_turn(row) for row in connection.execute(query) if row.id not in withheld][::-1]

    def replaceable(self, ids: Sequence[str]) -> set[str]:
        """Return the memories, among these, that give way to what is read from turns that wait to be read."""
        waits = evidence.c.turn_id.in_(select(turns.c.id).where(turns.c.unread != "", ~is_withheld()))
        query = _behind_unproven().where(waits).with_only_columns(evidence.c.memory_id)
        with self._database.reading() as connection:
            parts = chunks(list(ids))
            return {key for part in parts for key in connection.execute(query.where(memories.c.id.in_(part))).scalars()}

    def requests_after(self, scope: Scope, at: datetime) -> list[Closed]:
        """Return the requests to forget of exactly this scope that were observed after a time."""
        query = (
            select(operations.c.fact, operations.c.turn_id, turns.c.observed_at)
            .join(turns, turns.c.id == operations.c.turn_id)
            .where(turns.c.observed_at > stamp(at), operations.c.fact.startswith(FORGET_PREFIX, autoescape=True))
        )
        with self._database.reading() as connection:
            owner = scope_id(connection, scope)
            mine = connection.execute(query.where(operations.c.scope_id == owner, turns.c.scope_id == owner))
            found = (
                Closed(
                    row.fact.removeprefix(FORGET_PREFIX), moment(row.observed_at), is_request=True, turn_id=row.turn_id
                )
                for row in mine
            )
            return list(dict.fromkeys(found))

    def closed(self, scope: Scope) -> list[Closed]:
        """Return the texts of exactly this scope that were superseded or deleted, and its requests to forget."""
        ended = operations.c.event.in_((Event.UPDATE, Event.DELETE)) & operations.c.before.is_not(None)
        asked = operations.c.fact.startswith(FORGET_PREFIX, autoescape=True)
        query = (
            select(operations, turns.c.observed_at, memories.c.text, memories.c.state)
            .outerjoin(turns, turns.c.id == operations.c.turn_id)
            .outerjoin(memories, memories.c.id == operations.c.memory_id)
            .where(operations.c.made_by.not_in(_WITHOUT_NEWS), or_(ended, asked))
        )
        found: dict[Closed, None] = {}
        with self._database.reading() as connection:
            owner = scope_id(connection, scope)
            for row in connection.execute(query.where(operations.c.scope_id == owner).order_by(operations.c.seq)):
                at = moment(row.observed_at or row.at)
                if row.fact.startswith(FORGET_PREFIX):
                    found[Closed(row.fact.removeprefix(FORGET_PREFIX), at, is_request=True)] = None
                if row.event != Event.NONE and not (row.state == MemoryState.ACTIVE and row.text == row.before):
                    found[Closed(row.before, at)] = None
        return list(found)


def note_read(connection: Connection, read: Sequence[str], unread: Collection[str]) -> None:
    """Record what a bundle did with the turns it was given: it read them, or does not know their language.

    Those that are withheld were not read, or what was read is dropped; they are read again once they are brought back.
    """
    hidden = withheld_among(connection, read)
    shown = [key for key in read if key not in hidden]
    for mark, ids in (
        ("", [key for key in shown if key not in unread]),
        ("language", [key for key in shown if key in unread]),
        ("again", sorted(hidden)),
    ):
        for part in chunks(ids):
            connection.execute(update(turns).where(turns.c.id.in_(part), turns.c.unread != mark).values(unread=mark))


def replaced_by_reading(connection: Connection, read: Sequence[str]) -> list[str]:
    """Return the unproven memories that rest on turns which have been read again."""
    query = _behind_unproven().with_only_columns(evidence.c.memory_id).distinct()
    parts = (query.where(evidence.c.turn_id.in_(part)) for part in chunks(list(read)))
    return list(dict.fromkeys(key for part in parts for key in connection.execute(part).scalars()))


def _behind_unproven() -> Any:
    """Return a query for the links of active unproven memories, which no caller has touched, to the turns behind them."""
    touched = select(operations.c.memory_id).where(
        operations.c.made_by.not_in(("expert", BACKFILL)), operations.c.memory_id.is_not(None)
    )
    return (
        select(evidence.c.memory_id, evidence.c.turn_id)
        .select_from(evidence)
        .join(memories, memories.c.id == evidence.c.memory_id)
        .where(
            memories.c.state == MemoryState.ACTIVE,
            memories.c.form == "unproven",
            memories.c.id.not_in(touched),
            evidence.c.version == memories.c.version,
        )
    )
