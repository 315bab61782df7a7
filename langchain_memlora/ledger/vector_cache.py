"""The cache of what models compute from a text: embeddings, and vectors a token. Only called inside a transaction.

An entry is keyed by the name of what computed it and a hash of the text, so whatever is cached of a text is erased with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, select

from langchain_memlora.ledger import erasure
from langchain_memlora.ledger.rows import chunks, insert_new
from langchain_memlora.ledger.schema import vectors


def read(connection: Connection, name: str, texts: Sequence[str]) -> dict[str, bytes]:
    """Return what is cached under a name, by text."""
    keys = {erasure.digest(text): text for text in texts}
    found = {}
    for part in chunks(list(keys)):
        mine = (vectors.c.embedder == name) & vectors.c.text_sha256.in_(part)
        for row in connection.execute(select(vectors.c.text_sha256, vectors.c.vector).where(mine)):
            found[keys[row.text_sha256]] = bytes(row.vector)
    return found


def write(connection: Connection, name: str, found: Mapping[str, bytes]) -> None:
    """Cache what was computed; entries that exist are kept."""
    rows = [{"embedder": name, "text_sha256": erasure.digest(text), "vector": value} for text, value in found.items()]
    insert_new(connection, vectors, rows)
