"""Opens the ledger's database: a SQLite file, or a schema in PostgreSQL."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from langchain_memlora.errors import InvalidInputError
from langchain_memlora.ledger.database import Database, Durability


def open_database(where: str | Path, durability: Durability = "full") -> Database:
    """Open the database at a path, or the one of a `postgresql://` URL.

    Raises:
        InvalidInputError: An unknown durability.
        LedgerError: It can't be opened.
        MissingExtraError: A URL without the extra `postgres`.
    """
    if durability not in get_args(Durability):
        msg = f"durability={durability!r} is unknown. Pass 'full' or 'normal'."
        raise InvalidInputError(msg)
    if is_url(where):
        from langchain_memlora.ledger.postgres import PostgresDatabase

        return PostgresDatabase(str(where), durability)
    from langchain_memlora.ledger.sqlite import SQLiteDatabase

    return SQLiteDatabase(Path(where), durability)


def is_url(where: str | Path) -> bool:
    """Return whether a ledger is on a PostgreSQL server."""
    return isinstance(where, str) and where.startswith(("postgresql://", "postgresql+psycopg://", "postgres://"))
