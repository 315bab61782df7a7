"""Permanent erasure of rows, full-text entries and cached vectors. Only called inside a write transaction.

The indexes are notified by change records, which hold ids only. A mark stays in the ledger until every copy of the bytes is
gone, so that the next opening finishes an erasure interrupted by a crash.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import pairwise, product
from typing import Any

from sqlalchemy import Connection, Select, Table, delete, insert, select, true

from langchain_memlora.ledger import lexical, spans
from langchain_memlora.ledger.rows import (
    MEMORY,
    TURN,
    chunks,
    note_changes,
    said,
    said_after,
    select_turns,
    to_turn,
)
from langchain_memlora.ledger.schema import evidence, jobs, memories, meta, operations, scopes, turns, vectors, withheld
from langchain_memlora.passages import passages
from langchain_memlora.types import FORGET_PREFIX, Turn

MARK = "erasure"


def digest(content: str) -> str:
    """Return the key of a text in the vector cache."""
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()


def erase(connection: Connection, user_id: str | None) -> dict[str, int]:
    """Erase a user in all scopes, or all users; return the number of erased rows by table."""
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
    connection.execute(delete(withheld).where(withheld.c.scope_id.in_(owners)))
    for table in (memories, turns, operations, jobs):
        counts[table.name] = connection.execute(delete(table).where(table.c.scope_id.in_(owners))).rowcount
    connection.execute(delete(scopes).where(mine))
    begin(connection)
    return counts


def begin(connection: Connection) -> None:
    """Mark that bytes of erased rows may remain in the files. Each erasure has a mark of its own, which replaces older ones."""
    connection.execute(delete(meta).where(meta.c.key == MARK))
    connection.execute(insert(meta).values(key=MARK, value=uuid.uuid4().hex))


def mark(connection: Connection) -> str | None:
    """Return the mark of the last erasure if bytes of erased rows may remain in the files."""
    found: str | None = connection.execute(select(meta.c.value).where(meta.c.key == MARK)).scalar()
    return found


def finish(connection: Connection, mark: str | None) -> None:
    """Remove a mark: no bytes of rows erased until then remain. That of a later erasure, by another process, stays."""
    connection.execute(delete(meta).where(meta.c.key == MARK, meta.c.value == mark))


def erase_cached(connection: Connection, texts: Iterable[str] | None) -> int:
    """Erase the cached vectors of these texts and their passages, or all of them; return their number."""
    if texts is None:
        return connection.execute(delete(vectors)).rowcount
    parts = chunks(sorted({digest(part) for content in texts for part in (content, *passages(content))}))
    return sum(connection.execute(delete(vectors).where(vectors.c.text_sha256.in_(part))).rowcount for part in parts)


def _texts(connection: Connection, owners: Select[tuple[int]]) -> Iterator[str]:
    """Yield every text of these scopes that may be embedded: memories, facts, questions, turns, and those after another."""
    for table, columns in ((memories, ("text",)), (operations, ("fact", "before", "after"))):
        for row in connection.execute(_columns(table, columns).where(table.c.scope_id.in_(owners))):
            for content in filter(None, row):
                yield from {content, content.removeprefix(FORGET_PREFIX)}
        yield from spans.questions(connection, table, table.c.scope_id.in_(owners))
    ordered = select_turns().where(turns.c.scope_id.in_(owners))
    rows = connection.execute(ordered.order_by(turns.c.scope_id, turns.c.thread_id, turns.c.seq))
    variants = [as_embedded(to_turn(row)) for row in rows]
    for either in variants:
        yield from map(said, either)
    for before, after in pairwise(variants):
        yield from (said_after(first, second) for first, second in product(before, after))


def as_embedded(turn: Turn) -> tuple[Turn, ...]:
    """Return the versions of a turn that may be embedded; one with captions may also be embedded without them."""
    return (turn, replace(turn, captions=())) if turn.captions else (turn,)


def _columns(table: Table, names: tuple[str, ...]) -> Select[Any]:
    return select(*(table.c[name] for name in names))
