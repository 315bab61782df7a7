"""Erases for good: rows, full-text entries and cached vectors. Only called inside a write transaction.

What the indexes still hold is told to them as changes, by id. A mark stays in the ledger until every copy of the bytes is
gone, so that the next opening finishes an erasure which a crash interrupted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import pairwise, product

from sqlalchemy import Connection, Select, Table, delete, select, true

from langchain_memlora.ledger import lexical
from langchain_memlora.ledger.rows import (
    MEMORY,
    TURN,
    chunks,
    insert_new,
    note_changes,
    said,
    said_after,
    select_turns,
    to_turn,
)
from langchain_memlora.ledger.schema import evidence, jobs, memories, meta, operations, scopes, turns, vectors
from langchain_memlora.types import FORGET_PREFIX, Turn

MARK = "erasure"


def digest(content: str) -> str:
    """The key of a text in the vector cache."""
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()


def erase(connection: Connection, user_id: str | None) -> dict[str, int]:
    """Erase a user in all scopes, or everybody; returns how many rows went, by table."""
    mine = true() if user_id is None else scopes.c.user_id == user_id
    owners = select(scopes.c.id).where(mine)
    texts = set(_texts(connection, owners))
    for table, kind in ((memories, MEMORY), (turns, TURN)):
        gone = connection.execute(select(table.c.id).where(table.c.scope_id.in_(owners))).scalars().all()
        note_changes(connection, kind, gone)
    lexical.remove_all(connection, user_id)
    counts = {"vectors": erase_cached(connection, None if user_id is None else texts)}
    connection.execute(
        delete(evidence).where(evidence.c.memory_id.in_(select(memories.c.id).where(memories.c.scope_id.in_(owners))))
    )
    for table in (memories, turns, operations, jobs):
        counts[table.name] = connection.execute(delete(table).where(table.c.scope_id.in_(owners))).rowcount
    connection.execute(delete(scopes).where(mine))
    begin(connection)
    return counts


def begin(connection: Connection) -> None:
    """Note that bytes of erased rows may still lie around."""
    insert_new(connection, meta, {"key": MARK, "value": "unfinished"})


def is_unfinished(connection: Connection) -> bool:
    """Whether they may."""
    return connection.execute(select(meta.c.value).where(meta.c.key == MARK)).first() is not None


def finish(connection: Connection) -> None:
    """Note that they do not."""
    connection.execute(delete(meta).where(meta.c.key == MARK))


def erase_cached(connection: Connection, texts: Iterable[str] | None) -> int:
    """Erase the vectors of texts, or all; returns how many there were."""
    if texts is None:
        return connection.execute(delete(vectors)).rowcount
    parts = chunks(sorted({digest(content) for content in texts}))
    return sum(connection.execute(delete(vectors).where(vectors.c.text_sha256.in_(part))).rowcount for part in parts)


def _texts(connection: Connection, owners: Select[tuple[int]]) -> Iterator[str]:
    """Everything of these scopes that may have been embedded: memories, facts, turns, and turns with the one before."""
    for table, columns in ((memories, ("text",)), (operations, ("fact", "before", "after"))):
        for row in connection.execute(_columns(table, columns).where(table.c.scope_id.in_(owners))):
            for content in filter(None, row):
                yield from {content, content.removeprefix(FORGET_PREFIX)}
    ordered = select_turns().where(turns.c.scope_id.in_(owners))
    rows = connection.execute(ordered.order_by(turns.c.scope_id, turns.c.thread_id, turns.c.seq))
    told = [as_embedded(to_turn(row)) for row in rows]
    for either in told:
        yield from map(said, either)
    for before, after in pairwise(told):
        yield from (said_after(first, second) for first, second in product(before, after))


def as_embedded(turn: Turn) -> tuple[Turn, ...]:
    """A turn as it may have been embedded: one with pictures both before and after somebody has looked at them."""
    return (turn, replace(turn, captions=())) if turn.captions else (turn,)


def _columns(table: Table, names: tuple[str, ...]) -> Select[tuple[str | None, ...]]:
    return select(*(table.c[name] for name in names))
