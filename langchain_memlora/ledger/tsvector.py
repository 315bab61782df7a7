"""Full-text search on PostgreSQL: lexemes in a GIN index, ranked by BM25.

PostgreSQL's own rank ignores that rare words say more, so the score is computed here: first the number of the user's rows that
hold each word, then the sum over those rows.
Text is split as FTS5 splits it (PostgreSQL's default parser would keep "3.14" and e-mail addresses whole). Stop words are kept;
`lexical.words` removes them if other words are left.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence

from sqlalchemy import Connection, text

# The owner is a lexeme of every row, so that a search never reads other users' rows.
CREATE = (
    "CREATE TEXT SEARCH DICTIONARY stem (TEMPLATE = snowball, LANGUAGE = english)",
    "CREATE TEXT SEARCH CONFIGURATION words (COPY = pg_catalog.simple)",
    "ALTER TEXT SEARCH CONFIGURATION words ALTER MAPPING FOR asciiword, word, numword WITH stem",
    "CREATE TABLE lexical (rowid bigint PRIMARY KEY, owner text NOT NULL, item_id text NOT NULL, words tsvector NOT NULL)",
    # With fastupdate, new words wait in a list that every search scans: 17 ms a word instead of 0.2.
    "CREATE INDEX lexical_by_word ON lexical USING gin (words) WITH (fastupdate = off)",
    "CREATE INDEX lexical_by_owner ON lexical (owner)",
)
OPTIMIZE = ()
WORDS = "CAST(words AS text)"
LONGEST = 100_000  # searchable characters of one item: a tsvector holds at most a megabyte
FEW = 1000  # words in more rows than this, and in most rows, say little and cost the most to score

_INSERT = text(
    "INSERT INTO lexical (rowid, owner, item_id, words) "
    "VALUES (:row, :owner, :item, to_tsvector('words', :text) || array_to_tsvector(ARRAY[:owner]))"
)
_FREQUENCIES = text("""
    SELECT lexeme, count(rowid) AS holding, (SELECT count(*) FROM lexical WHERE owner = :owner) AS items
    FROM unnest(tsvector_to_array(to_tsvector('words', :text))) AS lexeme
    JOIN lexical ON words @@ CAST(format('%L & %L', CAST(:owner AS text), lexeme) AS tsquery)
    GROUP BY lexeme
""")
_BM25 = text("""
    WITH hits AS (
        SELECT rowid, item_id, length(words) AS size, weight, cardinality(positions) AS frequency
        FROM lexical, unnest(words)
        JOIN unnest(CAST(:lexemes AS text[]), CAST(:weights AS float8[])) AS asked (lexeme, weight) USING (lexeme)
        WHERE words @@ CAST(:query AS tsquery) AND (CAST(:rows AS bigint[]) IS NULL OR rowid = ANY(CAST(:rows AS bigint[])))
    )
    SELECT item_id FROM hits, (SELECT avg(size) AS usual FROM hits) AS lengths
    GROUP BY rowid, item_id
    ORDER BY sum(weight * frequency * 2.2 / (frequency + 1.2 * (0.25 + 0.75 * size / usual))) DESC, rowid
    LIMIT :limit
""")


def insert(connection: Connection, row: int, owner: str, content: str, item_id: str) -> None:
    """Add a row."""
    connection.execute(_INSERT, {"row": row, "owner": owner, "text": _split(content), "item": item_id})


def search(
    connection: Connection, owner: str, words: Sequence[str], limit: int, rows: Sequence[int] | None = None
) -> list[str]:
    """Return the ids of the items that match best (BM25), best first; with `rows`, only of these rows."""
    found = connection.execute(_FREQUENCIES, {"text": _split(" ".join(words)), "owner": owner}).all()
    rare = [row for row in found if row.holding <= max(row.items / 2, FEW)] or found
    if not rare:
        return []
    asked = {
        "lexemes": [row.lexeme for row in rare],
        "weights": [math.log(1 + (row.items - row.holding + 0.5) / (row.holding + 0.5)) for row in rare],
        "query": f"'{owner}' & (" + " | ".join(f"'{row.lexeme}'" for row in rare) + ")",
    }
    return list(connection.execute(_BM25, {**asked, "rows": rows, "limit": limit}).scalars())


def _split(content: str) -> str:
    """Keep only letters and digits, without accents: nothing that PostgreSQL could parse as syntax."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", content.lower()) if not unicodedata.combining(c))
    return " ".join(re.findall(r"[^\W_]+", plain))[:LONGEST]
