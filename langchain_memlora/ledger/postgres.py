"""The ledger in a PostgreSQL database, in a schema of its own (`memlora`), shared by any number of processes."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, Column, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError

from langchain_memlora.errors import InvalidInputError, LedgerError, MissingExtraError
from langchain_memlora.ledger.database import BUSY_SECONDS, Database, Durability
from langchain_memlora.ledger.migrations import prepare
from langchain_memlora.ledger.schema import Words, metadata

SCHEMA = "memlora"
CONNECTING_SECONDS = 10
_WRITERS = 0x6D656D6C6F7261  # the advisory lock for which writers queue


class PostgresDatabase(Database):
    """A schema in a PostgreSQL database.

    Writers take turns by an advisory lock, for revisions and change numbers must be seen in the order they are given. A
    transaction takes milliseconds and no model runs in it. A pooled connection that died is replaced before it is used;
    one that dies in a transaction undoes it, and the caller is told.
    """

    def __init__(self, url: str, durability: Durability = "full") -> None:
        if importlib.util.find_spec("psycopg") is None:
            msg = 'A ledger on PostgreSQL needs psycopg. Install it: pip install "langchain-memlora[postgres]".'
            raise MissingExtraError(msg)
        import psycopg

        self.driver_errors = (psycopg.Error,)
        engine = _engine(url, durability)
        super().__init__(engine.url.render_as_string(hide_password=True), engine)
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    def check(self) -> list[str]:
        with self.reading() as connection:  # it answers; what lies on its disk is the server's own to check
            connection.execute(text("SELECT 1"))
        return []

    def shrink(self) -> None:
        """Rewrite the tables. The server's log, replicas and backups keep what they have for as long as they are set to."""
        with self.translated(), self.engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT")
            for table in (*(table.name for table in metadata.sorted_tables), "lexical"):
                connection.exec_driver_sql(f"VACUUM (FULL) {table}")

    def copy(self, path: Path) -> None:
        msg = f"A ledger on PostgreSQL is not copied into {path}. Use `pg_dump --schema {SCHEMA}`, or `export`."
        raise InvalidInputError(msg)

    def _begin_reading(self, connection: Connection) -> None:
        connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    def _begin_writing(self, connection: Connection) -> None:
        # Not more: a stricter level would take its view of the data before the lock is had, and miss the last writer's.
        connection.execution_options(isolation_level="READ COMMITTED")
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _WRITERS})

    def _prepare(self) -> None:
        with self.writing() as connection:
            encoding = connection.execute(text("SHOW server_encoding")).scalar_one()
            if encoding != "UTF8":
                msg = f"The database {self.place} is encoded in {encoding}. Make one with ENCODING 'UTF8'."
                raise LedgerError(msg)
            is_new = connection.execute(text("SELECT to_regnamespace(:name)"), {"name": SCHEMA}).scalar() is None
            if is_new:
                connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))
            prepare(connection, self.place)
            if is_new:
                _keep_no_samples(connection)

    def _explained(self, why: str) -> LedgerError:
        remedy = next((words for sign, words in _REMEDIES.items() if sign in why), "look into the server's log")
        return LedgerError(
            f"The ledger {self.place} failed: {why}; nothing of this call was stored. To go on: {remedy}."
        )


def _keep_no_samples(connection: Connection) -> None:
    """Of texts the planner keeps no statistics: they are samples, and would outlive what is erased."""
    told = [
        (column.table.name, column.name) for table in metadata.sorted_tables for column in table.c if _is_told(column)
    ]
    for table, column in (*told, ("lexical", "words")):
        connection.execute(text(f'ALTER TABLE {table} ALTER "{column}" SET STATISTICS 0'))


def _is_told(column: Column[Any]) -> bool:
    return isinstance(column.type, Words | JSON)


def _engine(url: str, durability: Durability) -> Engine:
    try:
        address = make_url(url).set(drivername="postgresql+psycopg")
    except (ArgumentError, ValueError) as error:
        msg = "The ledger's URL can't be read. Pass one like postgresql://user:password@host:5432/database."
        raise InvalidInputError(msg) from error
    engine = create_engine(address, pool_pre_ping=True, connect_args={"connect_timeout": CONNECTING_SECONDS})

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _: Any) -> None:
        connection.autocommit = True  # else the settings would go with the first transaction that is undone
        connection.execute(f"SET search_path TO {SCHEMA}")
        connection.execute(f"SET lock_timeout TO '{BUSY_SECONDS}s'")
        connection.execute(f"SET synchronous_commit TO {'on' if durability == 'full' else 'off'}")
        connection.autocommit = False

    return engine


_REMEDIES = {
    "password authentication": "correct user and password in the URL",
    "does not exist": "make the database or the role, or correct the URL",
    "permission denied": f"let the role create in the database, or make the schema {SCHEMA} and give it to the role",
    "lock timeout": "others write or read for long; try again",
    "connect": "see that the server runs and can be reached, then repeat the call: what was stored is skipped",
    "terminat": "repeat the call: what was stored is skipped",
    "closed": "repeat the call: what was stored is skipped",
    "No space left": "free some space on the server and try again",
}
