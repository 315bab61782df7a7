"""The ledger in a SQLite file."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from pathlib import Path
from typing import Any
from weakref import WeakSet

from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError

from langchain_memlora.errors import ForkedError, InvalidInputError, LedgerError
from langchain_memlora.ledger.damaged_copies import SIGNS, copy_damaged, remove_damaged_copies
from langchain_memlora.ledger.database import BUSY_SECONDS, WORKING_SECONDS, Database, Durability
from langchain_memlora.ledger.process_lock import ProcessLocks


class SQLiteDatabase(Database):
    """One file in WAL mode.

    With `full` durability commits are synced to disk, so acknowledged data survives a power cut.
    """

    driver_errors = (sqlite3.Error,)

    def __init__(self, path: Path, durability: Durability = "full") -> None:
        self.path: Path = path
        if before := _inherited.get(path.absolute()):
            raise ForkedError.of("The ledger " + str(path), before._pid)
        interrupted = _has_log(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            msg = f"The folder {path.parent} can't be created ({error}). Choose another `path` or fix its permissions."
            raise LedgerError(msg) from error
        super().__init__(str(path), _engine(path, durability))
        self._locks = ProcessLocks(path.with_suffix(".locks"))
        _open.add(self)
        if interrupted:
            self._refuse_damage()
        self._prepare()

    def close(self) -> None:
        super().close()
        _open.discard(self)

    def exclusive(self, name: str, seconds: float = WORKING_SECONDS) -> contextlib.AbstractContextManager[None]:
        return self._locks.hold(name, seconds)

    def check(self) -> list[str]:
        with self.reading() as connection:
            return [row for row in connection.execute(text("PRAGMA quick_check")).scalars() if row != "ok"]

    def _refuse_damage(self) -> None:
        wrong = self.check()
        if wrong:
            self.close()
            with self.translated():
                raise sqlite3.DatabaseError("malformed: " + wrong[0])

    def shrink(self) -> None:
        """Rewrite the file, empty the write-ahead log and remove copies of damaged files."""
        with self.translated(), self.engine.connect() as connection:
            connection.exec_driver_sql("VACUUM")
            if connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()[0]:
                msg = f"The log of {self.path} could not be emptied: other connections are reading. Close them and erase again."
                raise LedgerError(msg)
        remove_damaged_copies(self.path)

    def copy(self, path: Path) -> None:
        """Write one consistent state to a new file, which appears under its name only when complete."""
        if path.exists():
            msg = f"{path} exists and is not overwritten. Choose another name or remove it."
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

    def _begin_reading(self, connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    def _begin_writing(self, connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    def _explained(self, why: str) -> LedgerError:
        remedy = next((words for sign, words in _REMEDIES.items() if sign in why), "run `memlora doctor`")
        copy = copy_damaged(self.path) if any(sign in why for sign in SIGNS) else None
        kept = f"a copy of the file in its current state is {copy.name}" if copy else "data stored before is unchanged"
        return LedgerError(f"The ledger {self.path} failed: {why}; {kept}. To go on: {remedy}.")


_open: WeakSet[SQLiteDatabase] = WeakSet()
_inherited: dict[Path, SQLiteDatabase] = {}


def _note_inherited() -> None:
    """Note, in a forked child, the databases that the parent had open.

    SQLite takes the parent's locks for the child's own, so that even a new connection to such a file loses commits. The
    connections stay referenced, because closing them could remove a log that other processes write.
    """
    _inherited.update((database.path.absolute(), database) for database in _open)
    _open.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_inherited)


def _has_log(path: Path) -> bool:
    """Return whether the last process left the database open, so that it needs a check."""
    try:
        return path.with_name(path.name + "-wal").stat().st_size > 0
    except OSError:
        return False


def _engine(path: Path, durability: Durability) -> Engine:
    url = URL.create("sqlite", database=str(path))  # a string would break on paths with ? and %
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _configure(connection: sqlite3.Connection, _: Any) -> None:
        connection.isolation_level = None  # transactions begin explicitly, in `reading` and `writing`
        _use_log(connection)
        connection.execute(f"PRAGMA synchronous={durability}")
        connection.execute("PRAGMA foreign_keys=ON")

    return engine


def _use_log(connection: sqlite3.Connection) -> None:
    """Switch to WAL mode, waiting for another process that switches a new file: SQLite itself does not wait there."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


_REMEDIES = {
    "disk is full": "free some space and try again",
    "readonly": "make the folder writable or choose another `path`",
    "unable to open": "make the folder writable or choose another `path`",
    "not a database": "choose another `path` or restore a backup, since the file is not a ledger",
    "malformed": "restore a backup",
    "locked": "try again; another process has locked it for long",
    "I/O error": "check the disk, then try again",
}
