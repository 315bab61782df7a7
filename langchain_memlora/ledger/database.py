"""The interface between the ledger and its database: transactions, integrity check, compaction and copy."""

from __future__ import annotations

import contextlib
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from langchain_memlora.errors import ForkedError, LedgerError
from langchain_memlora.ledger.migrations import prepare

Durability = Literal["full", "normal"]
BUSY_SECONDS = 60
WORKING_SECONDS = 600


class Database(ABC):
    """A database that holds the ledger's tables. Writers run one at a time, across processes.

    Args:
        place: The name of the database in error messages.
    """

    driver_errors: tuple[type[Exception], ...] = ()
    path: Path | None = None
    """The database file; `None` for a database on a server, which other machines may use."""

    def __init__(self, place: str, engine: Engine) -> None:
        self.place = place
        self.engine = engine
        self._pid = os.getpid()

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a connection that reads one consistent state."""
        self._refuse_forked()
        with self.translated(), self.engine.connect() as connection:
            self._begin_reading(connection)
            try:
                yield connection
            finally:
                connection.rollback()

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open a write transaction: everything in the block is stored, or nothing is."""
        self._refuse_forked()
        with self.translated(), self.engine.connect() as connection:
            self._begin_writing(connection)
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()

    @contextlib.contextmanager
    def translated(self) -> Iterator[None]:
        """Raise the driver's errors as `LedgerError`."""
        expected: tuple[type[Exception], ...] = (DBAPIError, *self.driver_errors)
        try:
            yield
        except expected as error:
            raise self._explained(str(getattr(error, "orig", None) or error).strip()) from error

    def close(self) -> None:
        """Close all connections. After a fork the child leaves them alone, since they are the parent's."""
        if not self.is_forked:
            self.engine.dispose()

    @property
    def is_forked(self) -> bool:
        """True in a process that was forked from the one that opened the database."""
        return self._pid != os.getpid()

    def _refuse_forked(self) -> None:
        """Refuse calls in a child that inherited the open connections: they would corrupt each other's transactions."""
        if self.is_forked:
            raise ForkedError.of("The ledger " + self.place, self._pid)

    def _prepare(self) -> None:
        """Create the tables, or migrate those of an older version."""
        with self.writing() as connection:
            prepare(connection, self.place)

    @abstractmethod
    def exclusive(self, name: str, seconds: float = WORKING_SECONDS) -> contextlib.AbstractContextManager[None]:
        """Hold a named lock that one thread of all processes holds at a time. It ends with the process that holds it.

        Args:
            seconds: Maximum wait.

        Raises:
            StoreInUseError: Another process held it all the time.
        """

    @abstractmethod
    def check(self) -> list[str]:
        """Return the problems that the database finds in its own data; an empty list means none."""

    @abstractmethod
    def shrink(self) -> None:
        """Rewrite the data without the deleted rows.

        Raises:
            LedgerError: A reader held an old state for too long.
        """

    @abstractmethod
    def copy(self, path: Path) -> None:
        """Write one consistent state to a new file.

        Raises:
            InvalidInputError: The file can't be written.
        """

    @abstractmethod
    def _begin_reading(self, connection: Connection) -> None: ...

    @abstractmethod
    def _begin_writing(self, connection: Connection) -> None: ...

    @abstractmethod
    def _explained(self, why: str) -> LedgerError: ...
