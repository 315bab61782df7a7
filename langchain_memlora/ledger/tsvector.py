"""Full-text search on PostgreSQL: lexemes in a GIN index, ranked by BM25.

PostgreSQL's own rank does not know that rare words tell more, so the score is computed here, over the asker's rows alone.
Text is split as FTS5 splits it (its default parser would keep "3.14" and e-mail addresses whole), and no word is left out
as too common: `lexical.words` does that where other words are there.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from sqlalchemy import Connection, text

# The owner is a lexeme of every row, so that a search never reads other people's rows.
CREATE = (
    "CREATE TEXT SEARCH DICTIONARY stem (TEMPLATE = snowball, LANGUAGE = english)",
    "CREATE TEXT SEARCH CONFIGURATION words (COPY = pg_catalog.simple)",
    "ALTER TEXT SEARCH CONFIGURATION words ALTER MAPPING FOR asciiword, word, numword WITH stem",
    "CREATE TABLE lexical (rowid bigint PRIMARY KEY, owner text NOT NULL, item_id text NOT NULL, words tsvector NOT NULL)",
    "CREATE INDEX lexical_by_word ON lexical USING gin (words)",
    "CREATE INDEX lexical_by_owner ON lexical (owner)",
)
OPTIMIZE = ()
WORDS = "CAST(words AS text)"
LONGEST = 100_000  # characters of one item that are searched by words: a tsvector holds at most a megabyte

_INSERT = text(
    "INSERT INTO lexical (rowid, owner, item_id, words) "
    "VALUES (:row, :owner, :item, to_tsvector('words', :text) || array_to_tsvector(ARRAY[:owner]))"
)
_LEXEMES = text("SELECT tsvector_to_array(to_tsvector('words', :text))")
_BM25 = text("""
    WITH hits AS (
        SELECT rowid, item_id, length(words) AS size, lexeme, cardinality(positions) AS told
        FROM lexical, unnest(words)
        WHERE words @@ CAST(:query AS tsquery) AND lexeme = ANY(:lexemes)
    ),
    mine AS (SELECT count(*) AS items FROM lexical WHERE owner = :owner),
    usual AS (SELECT avg(size) AS size FROM hits),
    weights AS (
        SELECT lexeme, ln(1 + (items - count(*) + 0.5) / (count(*) + 0.5)) AS weight
        FROM hits, mine GROUP BY lexeme, items
    )
    SELECT item_id FROM hits JOIN weights USING (lexeme), usual
    GROUP BY rowid, item_id
    ORDER BY sum(weight * told * 2.2 / (told + 1.2 * (0.25 + 0.75 * hits.size / usual.size))) DESC, rowid
    LIMIT :limit
""")


def insert(connection: Connection, row: int, owner: str, content: str, item_id: str) -> None:
    """Add a row."""
    connection.execute(_INSERT, {"row": row, "owner": owner, "text": _split(content), "item": item_id})


def search(connection: Connection, owner: str, words: Sequence[str], limit: int) -> list[str]:
    """Ids of the items that match best (BM25), best first."""
    lexemes = connection.execute(_LEXEMES, {"text": _split(" ".join(words))}).scalar_one()
    if not lexemes:
        return []
    query = f"'{owner}' & (" + " | ".join(f"'{lexeme}'" for lexeme in lexemes) + ")"
    found = connection.execute(_BM25, {"query": query, "lexemes": lexemes, "owner": owner, "limit": limit})
    return list(found.scalars())


def _split(content: str) -> str:
    """Only letters and digits, without accents: nothing is left that PostgreSQL could read as syntax."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", content.lower()) if not unicodedata.combining(c))
    return " ".join(re.findall(r"[^\W_]+", plain))[:LONGEST]
