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
from langchain_memlora.ledger.damage import SIGNS, set_aside
from langchain_memlora.ledger.schema import FTS_DDL, SCHEMA_VERSION, meta, metadata

Durability = Literal["full", "normal"]
BUSY_SECONDS = 60


class Database:
    """One SQLite file in WAL mode.

    With `full` durability commits are synced to disk: what a call acknowledged survives a power cut.
    """

    def __init__(self, path: Path, durability: Durability = "full") -> None:
        if durability not in get_args(Durability):
            msg = f"durability={durability!r} is unknown. Pass 'full' or 'normal'."
            raise InvalidInputError(msg)
        self.path = path
        interrupted = _has_log(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            msg = f"The folder {path.parent} can't be made ({error}). Choose another `path` or mend its permissions."
            raise LedgerError(msg) from error
        self.engine = _engine(path, durability)
        if interrupted:
            self._refuse_damage()
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

    def check(self) -> list[str]:
        """SQLite's own integrity check: an empty list means sound."""
        with self.reading() as connection:
            return [row for row in connection.execute(text("PRAGMA quick_check")).scalars() if row != "ok"]

    def _refuse_damage(self) -> None:
        wrong = self.check()
        if wrong:
            self.close()
            with _translated(self.path):
                raise sqlite3.DatabaseError("malformed: " + wrong[0])

    def shrink(self) -> None:
        """Rewrite the file without what was deleted, and empty the write-ahead log.

        Raises:
            LedgerError: Somebody reads an old state for so long that the log could not be emptied.
        """
        with _translated(self.path), self.engine.connect() as connection:
            connection.exec_driver_sql("VACUUM")
            if connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()[0]:
                msg = f"The log of {self.path} could not be emptied: others are reading. Close them and erase again."
                raise LedgerError(msg)

    def copy(self, path: Path) -> None:
        """Write one consistent state into a new file. It appears under its name when it is whole.

        Raises:
            InvalidInputError: The file exists or can't be written.
        """
        if path.exists():
            msg = f"{path} exists and is not written over. Choose another name or remove it."
            raise InvalidInputError(msg)
        part = path.with_name(path.name + ".part")
        part.unlink(missing_ok=True)
        try:
            with self.engine.connect() as connection:
                connection.exec_driver_sql("VACUUM INTO ?", (str(part),))
            part.replace(path)
        except (DBAPIError, OSError) as error:
            msg = f"{path} can't be written ({getattr(error, 'orig', None) or error}). Choose another place or free some space."
            raise InvalidInputError(msg) from error
        finally:
            part.unlink(missing_ok=True)

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def _has_log(path: Path) -> bool:
    """Whether the last process did not close the database: then it is worth a check."""
    try:
        return path.with_name(path.name + "-wal").stat().st_size > 0
    except OSError:
        return False


def _engine(path: Path, durability: Durability) -> Engine:
    url = URL.create("sqlite", database=str(path))  # not a string: a path may hold ? and %
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _configure(connection: sqlite3.Connection, _: Any) -> None:
        connection.isolation_level = None  # transactions are begun explicitly, see `reading` and `writing`
        for pragma in (
            "journal_mode=WAL",
            f"synchronous={durability}",
            "foreign_keys=ON",
            f"busy_timeout={1000 * BUSY_SECONDS}",
        ):
            connection.execute(f"PRAGMA {pragma}")

    return engine


@contextlib.contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:
        why = str(getattr(error, "orig", None) or error)
        remedy = next((words for sign, words in _REMEDIES.items() if sign in why), "run `memlora doctor`")
        copy = set_aside(path) if any(sign in why for sign in SIGNS) else None
        kept = f"a copy of the file as it is now is {copy.name}" if copy else "what was stored before is untouched"
        msg = f"The ledger {path} failed: {why}; {kept}. To go on: {remedy}."
        raise LedgerError(msg) from error


_REMEDIES = {
    "disk is full": "free some space and try again",
    "readonly": "make the folder writable or choose another `path`",
    "unable to open": "make the folder writable or choose another `path`",
    "not a database": "the file is not a ledger; choose another `path` or restore a backup",
    "malformed": "restore a backup",
    "locked": "another process holds it for long; try again",
    "I/O error": "check the disk, then try again",
}
