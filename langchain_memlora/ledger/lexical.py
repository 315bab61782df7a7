"""Full-text search over memories and turns: any user text is a legal query, and one matching word is enough.

`terms` prepares what is stored and asked. The table and its queries are defined in `fts5` (SQLite) and `tsvector` (PostgreSQL).
Both modules define the same names, and both tables have columns `rowid`, `owner` and `item_id`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from sqlalchemy import Connection, text

from langchain_memlora.ledger import fts5, terms, tsvector
from langchain_memlora.ledger.rows import MEMORY, TURN, WINDOW, owner_token

_BY_DIALECT = {"sqlite": fts5, "postgresql": tsvector}

_MAX_TERMS = 64
_MAX_CHARACTERS = 4000  # of a query, so that a long one takes no longer
STOP_WORDS = frozenset(
    "a about after again all also am an and any are as at be been before being but by can could did do does doing for from "
    "had has have having he her hers him his how i if in into is it its just me more most my no nor not of off on once only or "
    "other our out over own s same she should so some such t than that the their them then there these they this those to too "
    "under until up very was we were what when where which while who whom whose why will with would you your user "
    "的 了 是 在 有 和 我 你 他 她 它 们 吗 呢 这 那 也 都 就 不 很".split()
)


def words(query: str) -> list[str]:
    """Return the terms of a query without stop words; all of them if only stop words are left."""
    found = terms.to_find(query[:_MAX_CHARACTERS])
    return ([word for word in found if word not in STOP_WORDS] or found)[:_MAX_TERMS]


def create(connection: Connection) -> None:
    """Create the table."""
    for statement in _here(connection).CREATE:
        connection.execute(text(statement))


def recreate(connection: Connection) -> None:
    """Create the table of an older version again, without entries."""
    for statement in _here(connection).RECREATE:
        connection.execute(text(statement))


def put(connection: Connection, user_id: str, kind: str, seq: int, item_id: str, content: str) -> None:
    """Add an item, or replace its text. `seq` is the item's row number in its own table."""
    remove(connection, kind, seq)
    stored = terms.to_store(content)
    _here(connection).insert(connection, _rowid(kind, seq), owner_token(user_id, kind), stored, item_id)


def remove(connection: Connection, kind: str, seq: int) -> None:
    """Remove an item."""
    connection.execute(text("DELETE FROM lexical WHERE rowid = :row"), {"row": _rowid(kind, seq)})


def remove_all(connection: Connection, user_id: str | None = None) -> None:
    """Remove all items of a user, or of all users."""
    if user_id is None:
        connection.execute(text("DELETE FROM lexical"))
        return
    for kind, table in ((MEMORY, "memories"), (TURN, "turns"), (WINDOW, "turns")):
        mine = f"SELECT {_rowid(kind, 'seq')} FROM {table} JOIN scopes ON scopes.id = scope_id WHERE user_id = :user"
        connection.execute(text(f"DELETE FROM lexical WHERE rowid IN ({mine})"), {"user": user_id})


def optimize(connection: Connection) -> None:
    """Drop entries that are only marked as deleted (FTS5 keeps them)."""
    for statement in _here(connection).OPTIMIZE:
        connection.execute(text(statement))


def rows(connection: Connection) -> set[tuple[int, str, str, str]]:
    """Return all entries: row number, owner, words, item id."""
    words = _here(connection).WORDS
    return {tuple(row) for row in connection.execute(text(f"SELECT rowid, owner, {words}, item_id FROM lexical"))}


def search(
    connection: Connection, user_id: str, kind: str, query: str, limit: int, among: Mapping[str, int] | None = None
) -> list[str]:
    """Return the ids of the items that match best (BM25), best first; with `among` (row numbers by id), only of those."""
    found = words(query)
    if not found or (among is not None and not among):
        return []
    rows = None if among is None else [_rowid(kind, seq) for seq in among.values()]
    return _here(connection).search(connection, owner_token(user_id, kind), found, limit, rows)


def _here(connection: Connection) -> ModuleType:
    return _BY_DIALECT[connection.dialect.name]


def _rowid(kind: str, seq: int | str) -> Any:
    """Return the row number for an item. The three kinds share one table, so each uses every third number."""
    number = (MEMORY, TURN, WINDOW).index(kind)
    return 3 * seq + number if isinstance(seq, int) else f"3 * {seq} + {number}"
