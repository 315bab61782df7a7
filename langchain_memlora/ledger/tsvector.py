"""Full-text search on PostgreSQL: lexemes in a GIN index, ranked by BM25.

PostgreSQL's own rank does not know that rare words tell more, so the score is computed here: first how many of the asker's rows
each word is in, then the sum over those rows.
Text is split as FTS5 splits it (its default parser would keep "3.14" and e-mail addresses whole), and no word is left out
as too common: `lexical.words` does that where other words are there.
"""

from __future__ import annotations

import math
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
    # Else new words wait in a list that every search reads from end to end: 17 ms a word, and not 0.2.
    "CREATE INDEX lexical_by_word ON lexical USING gin (words) WITH (fastupdate = off)",
    "CREATE INDEX lexical_by_owner ON lexical (owner)",
)
OPTIMIZE = ()
WORDS = "CAST(words AS text)"
LONGEST = 100_000  # characters of one item that are searched by words: a tsvector holds at most a megabyte
FEW = 1000  # a word in more rows than these, and in most, tells next to nothing and would cost the most to weigh

_INSERT = text(
    "INSERT INTO lexical (rowid, owner, item_id, words) "
    "VALUES (:row, :owner, :item, to_tsvector('words', :text) || array_to_tsvector(ARRAY[:owner]))"
)
_TOLD = text("""
    SELECT lexeme, count(rowid) AS told, (SELECT count(*) FROM lexical WHERE owner = :owner) AS items
    FROM unnest(tsvector_to_array(to_tsvector('words', :text))) AS lexeme
    JOIN lexical ON words @@ CAST(format('%L & %L', CAST(:owner AS text), lexeme) AS tsquery)
    GROUP BY lexeme
""")
_BM25 = text("""
    WITH hits AS (
        SELECT rowid, item_id, length(words) AS size, weight, cardinality(positions) AS told
        FROM lexical, unnest(words)
        JOIN unnest(CAST(:lexemes AS text[]), CAST(:weights AS float8[])) AS asked (lexeme, weight) USING (lexeme)
        WHERE words @@ CAST(:query AS tsquery)
    )
    SELECT item_id FROM hits, (SELECT avg(size) AS usual FROM hits) AS lengths
    GROUP BY rowid, item_id
    ORDER BY sum(weight * told * 2.2 / (told + 1.2 * (0.25 + 0.75 * size / usual))) DESC, rowid
    LIMIT :limit
""")


def insert(connection: Connection, row: int, owner: str, content: str, item_id: str) -> None:
    """Add a row."""
    connection.execute(_INSERT, {"row": row, "owner": owner, "text": _split(content), "item": item_id})


def search(connection: Connection, owner: str, words: Sequence[str], limit: int) -> list[str]:
    """Ids of the items that match best (BM25), best first."""
    found = connection.execute(_TOLD, {"text": _split(" ".join(words)), "owner": owner}).all()
    telling = [row for row in found if row.told <= max(row.items / 2, FEW)] or found
    if not telling:
        return []
    asked = {
        "lexemes": [row.lexeme for row in telling],
        "weights": [math.log(1 + (row.items - row.told + 0.5) / (row.told + 0.5)) for row in telling],
        "query": f"'{owner}' & (" + " | ".join(f"'{row.lexeme}'" for row in telling) + ")",
    }
    return list(connection.execute(_BM25, {**asked, "limit": limit}).scalars())


def _split(content: str) -> str:
    """Only letters and digits, without accents: nothing is left that PostgreSQL could read as syntax."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", content.lower()) if not unicodedata.combining(c))
    return " ".join(re.findall(r"[^\W_]+", plain))[:LONGEST]
