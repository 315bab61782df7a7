"""The cache of vectors: one for each embedder and text, as 32-bit floats."""

from __future__ import annotations

import array
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, select

from langchain_memlora.ledger.erasure import digest
from langchain_memlora.ledger.rows import chunks, insert_new
from langchain_memlora.ledger.schema import vectors


def read(connection: Connection, embedder: str, texts: Sequence[str]) -> dict[str, bytes]:
    """Return the cached vectors of an embedder, by text."""
    keys = {digest(content): content for content in texts}
    found = {}
    for chunk in chunks(list(keys)):
        mine = (vectors.c.embedder == embedder) & vectors.c.text_sha256.in_(chunk)
        for key, vector in connection.execute(select(vectors.c.text_sha256, vectors.c.vector).where(mine)):
            found[keys[key]] = vector
    return found


def put(connection: Connection, embedder: str, found: Mapping[str, Sequence[float]]) -> None:
    """Keep vectors by text."""
    rows = [
        {"embedder": embedder, "text_sha256": digest(content), "vector": array.array("f", vector).tobytes()}
        for content, vector in found.items()
    ]
    insert_new(connection, vectors, rows)
