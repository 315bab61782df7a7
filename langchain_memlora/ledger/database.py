"""Opens the ledger's database and runs transactions on it; the only place that knows it is SQLite."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args

from sqlalchemy import URL, Connection, Engine, create_engine, event, insert, select, text
from sqlalchemy.exc import DBAPIError

from langchain_memlora.errors import InvalidInputError, LedgerError
from langchain_memlora.ledger.schema import FTS_DDL, SCHEMA_VERSION, meta, metadata

Durability = Literal["full", "normal"]


class Database:
    """One SQLite file in WAL mode.

    With `full` durability commits are synced to disk: what a call acknowledged survives a power cut.
    """

    def __init__(self, path: Path, durability: Durability = "full") -> None:
        if durability not in get_args(Durability):
            msg = f"durability={durability!r} is unknown. Pass 'full' or 'normal'."
            raise InvalidInputError(msg)
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            msg = f"The folder {path.parent} can't be made ({error}). Choose another `path` or mend its permissions."
            raise LedgerError(msg) from error
        self.engine = _engine(path, durability)
        with self.writing() as connection:
            metadata.create_all(connection)
            connection.execute(text(FTS_DDL))
            known = connection.execute(select(meta.c.value).where(meta.c.key == "schema")).scalar()
            if known is None:
                connection.execute(insert(meta).values(key="schema", value=str(SCHEMA_VERSION)))
        if known is not None and int(known) != SCHEMA_VERSION:
            msg = (
                f"{path} has ledger schema {known}, this version reads {SCHEMA_VERSION}. Use the version that wrote it."
            )
            raise LedgerError(msg)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that sees one consistent state."""
        with _translated(self.path), self.engine.connect() as connection:
            connection.exec_driver_sql("BEGIN")
            try:
                yield connection
            finally:
                connection.rollback()

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """A write transaction: everything in the block happens, or nothing does."""
        with _translated(self.path), self.engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()

    def shrink(self) -> None:
        """Rewrite the file without what was deleted, and empty the write-ahead log."""
        with _translated(self.path), self.engine.connect() as connection:
            connection.exec_driver_sql("VACUUM")
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def _engine(path: Path, durability: Durability) -> Engine:
    url = URL.create("sqlite", database=str(path))  # not a string: a path may hold ? and %
    engine = create_engine(url, connect_args={"timeout": 60, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _configure(connection: sqlite3.Connection, _: Any) -> None:
        connection.isolation_level = None  # transactions are begun explicitly, see `reading` and `writing`
        for pragma in ("journal_mode=WAL", f"synchronous={durability}", "foreign_keys=ON", "busy_timeout=60000"):
            connection.execute(f"PRAGMA {pragma}")

    return engine


@contextlib.contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:
        why = str(getattr(error, "orig", None) or error)
        remedy = next((words for sign, words in _REMEDIES.items() if sign in why), "run `memlora doctor`")
        msg = f"The ledger {path} failed: {why}. What was stored before is untouched; {remedy}."
        raise LedgerError(msg) from error


_REMEDIES = {
    "disk is full": "free some space and try again",
    "readonly": "make the folder writable or choose another `path`",
    "unable to open": "make the folder writable or choose another `path`",
    "not a database": "the file is not a ledger; choose another `path` or restore a backup",
    "malformed": "the file is damaged; restore a backup",
    "locked": "another process holds it for long; try again",
    "I/O error": "check the disk, then try again",
}
