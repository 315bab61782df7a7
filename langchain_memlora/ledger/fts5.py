"""Full-text search on SQLite: a virtual table of FTS5.

Queries are built here because the defaults of FTS5 fail: it joins words by AND, so a question finds nothing, and it parses
punctuation as syntax.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import Connection, text

# `owner` is an indexed column, so that a search never scores other users' rows.
CREATE = ("CREATE VIRTUAL TABLE lexical USING fts5(owner, text, item_id UNINDEXED, tokenize='porter unicode61')",)
OPTIMIZE = ("INSERT INTO lexical(lexical) VALUES ('optimize')",)  # merging all segments into one drops deleted words
WORDS = "text"


def insert(connection: Connection, row: int, owner: str, content: str, item_id: str) -> None:
    """Add a row."""
    statement = text("INSERT INTO lexical (rowid, owner, text, item_id) VALUES (:row, :owner, :text, :item)")
    connection.execute(statement, {"row": row, "owner": owner, "text": content, "item": item_id})


def search(
    connection: Connection, owner: str, words: Sequence[str], limit: int, rows: Sequence[int] | None = None
) -> list[str]:
    """Return the ids of the items that match best (BM25), best first; with `rows`, only of these rows."""
    terms = " OR ".join(f'"{word}"' for word in words)
    # `+` keeps SQLite from running one full-text search a row.
    within = "" if rows is None else "AND +rowid IN (SELECT value FROM json_each(:rows))"
    query = (
        f"SELECT item_id FROM lexical WHERE lexical MATCH :match {within} ORDER BY bm25(lexical, 0.0, 1.0) LIMIT :limit"
    )
    asked = {"match": f'owner:"{owner}" AND text:({terms})', "limit": limit}
    return list(
        connection.execute(text(query), asked if rows is None else {**asked, "rows": json.dumps(rows)}).scalars()
    )
