"""What the ledger asks of a database: transactions, and what only the database itself can do for its data."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal, get_args

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from langchain_memlora.errors import InvalidInputError, LedgerError
from langchain_memlora.ledger.migrations import prepare

Durability = Literal["full", "normal"]
BUSY_SECONDS = 60


class Database(ABC):
    """A database with the ledger's tables in it. Writers take turns, also those of other processes.

    Args:
        place: What messages call it.
    """

    driver_errors: ClassVar[tuple[type[Exception], ...]] = ()
    path: Path | None = None
    """Its file; without one it lies on a server, and other machines may use it."""

    def __init__(self, place: str, engine: Engine) -> None:
        self.place = place
        self.engine = engine

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that sees one consistent state."""
        with self.translated(), self.engine.connect() as connection:
            self._begin_reading(connection)
            try:
                yield connection
            finally:
                connection.rollback()

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """A write transaction: everything in the block happens, or nothing does."""
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
        """Tell the driver's errors as `LedgerError`s."""
        try:
            yield
        except (DBAPIError, *self.driver_errors) as error:
            raise self._explained(str(getattr(error, "orig", None) or error).strip()) from error

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def _prepare(self) -> None:
        """Make the tables, or bring those of an older version up to date."""
        with self.writing() as connection:
            prepare(connection, self.place)

    @abstractmethod
    def check(self) -> list[str]:
        """What the database itself finds wrong with its data; an empty list means sound."""

    @abstractmethod
    def shrink(self) -> None:
        """Rewrite the data without what was deleted.

        Raises:
            LedgerError: Somebody reads an old state for too long.
        """

    @abstractmethod
    def copy(self, path: Path) -> None:
        """Write one consistent state into a new file.

        Raises:
            InvalidInputError: It can't be written.
        """

    @abstractmethod
    def _begin_reading(self, connection: Connection) -> None: ...

    @abstractmethod
    def _begin_writing(self, connection: Connection) -> None: ...

    @abstractmethod
    def _explained(self, why: str) -> LedgerError: ...


def open_database(where: str | Path, durability: Durability = "full") -> Database:
    """Open the database at a path, or that of a `postgresql://` URL.

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
    """Whether a ledger lies on a server."""
    return isinstance(where, str) and where.startswith(("postgresql://", "postgresql+psycopg://", "postgres://"))
