"""Full-text search over memories and turns: any user text is a legal query.

FTS5's own defaults fail here: it joins words by AND, so a question finds nothing, and it reads punctuation as syntax.
"""

from __future__ import annotations

import re

from sqlalchemy import Connection, text

from langchain_memlora.ledger.rows import MEMORY, TURN, WINDOW, owner_token

_WORD = re.compile(r"\w+")
_MAX_TERMS = 64
_STOP = frozenset(
    "a about after again all also am an and any are as at be been before being but by can could did do does doing for from "
    "had has have having he her hers him his how i if in into is it its just me more most my no nor not of off on once only or "
    "other our out over own s same she should so some such t than that the their them then there these they this those to too "
    "under until up very was we were what when where which while who whom whose why will with would you your user".split()
)


def words(query: str) -> list[str]:
    """The words of a query that carry meaning; all of them where none does."""
    found = list(dict.fromkeys(_WORD.findall(query.lower())))
    return ([word for word in found if word not in _STOP] or found)[:_MAX_TERMS]


def put(connection: Connection, user_id: str, kind: str, seq: int, item_id: str, content: str) -> None:
    """Add an item, or replace its text. `seq` is the item's row number in its own table."""
    row = {"row": _rowid(kind, seq), "owner": owner_token(user_id, kind), "text": content, "item": item_id}
    connection.execute(text("DELETE FROM lexical WHERE rowid = :row"), row)
    connection.execute(
        text("INSERT INTO lexical (rowid, owner, text, item_id) VALUES (:row, :owner, :text, :item)"), row
    )


def remove(connection: Connection, kind: str, seq: int) -> None:
    """Take an item out."""
    connection.execute(text("DELETE FROM lexical WHERE rowid = :row"), {"row": _rowid(kind, seq)})


def search(connection: Connection, user_id: str, kind: str, query: str, limit: int) -> list[str]:
    """Ids of the items that match best (BM25), best first."""
    terms = " OR ".join(f'"{word}"' for word in words(query))
    if not terms:
        return []
    match = f'owner:"{owner_token(user_id, kind)}" AND text:({terms})'
    found = connection.execute(
        text("SELECT item_id FROM lexical WHERE lexical MATCH :match ORDER BY bm25(lexical, 0.0, 1.0) LIMIT :limit"),
        {"match": match, "limit": limit},
    )
    return [row.item_id for row in found]


def _rowid(kind: str, seq: int) -> int:
    """All kinds share one table, and only its row numbers can be looked up: each kind has every third."""
    return 3 * seq + (MEMORY, TURN, WINDOW).index(kind)
