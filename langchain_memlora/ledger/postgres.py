"""The ledger in a PostgreSQL database, in a schema of its own (`memlora`), shared by any number of processes."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, Column, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool

from langchain_memlora.errors import InvalidInputError, LedgerError, MissingExtraError, StoreInUseError
from langchain_memlora.ledger.database import BUSY_SECONDS, WORKING_SECONDS, Database, Durability
from langchain_memlora.ledger.migrations import prepare
from langchain_memlora.ledger.schema import Words, metadata

SCHEMA = "memlora"
CONNECTING_SECONDS = 10
POLL_SECONDS = 0.02
_WRITERS = 0x6D656D6C6F7261  # key of the writers' advisory lock


class PostgresDatabase(Database):
    """A schema in a PostgreSQL database.

    An advisory lock serialises writers, since revisions and change numbers must become visible in the order they are assigned.
    A transaction takes milliseconds and no model runs in it. A dead pooled connection is replaced before use; one that dies
    during a transaction rolls it back and raises.
    """

    def __init__(self, url: str, durability: Durability = "full") -> None:
        if importlib.util.find_spec("psycopg") is None:
            msg = 'A ledger on PostgreSQL needs psycopg. Install it: pip install "langchain-memlora[postgres]".'
            raise MissingExtraError(msg)
        import psycopg

        self.driver_errors = (psycopg.Error,)
        engine = _engine(url, durability)
        self._holders = _engine(url, durability, poolclass=NullPool)
        super().__init__(engine.url.render_as_string(hide_password=True), engine)
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    @contextlib.contextmanager
    def exclusive(self, name: str, seconds: float = WORKING_SECONDS) -> Iterator[None]:
        """Hold an advisory lock of a connection of its own: the server releases it when the connection ends."""
        self._refuse_forked()
        key = int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()[:8], signed=True)
        end = time.monotonic() + seconds
        with self.translated(), self._holders.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT")  # an open transaction would keep VACUUM waiting
            while not connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": key}).scalar_one():
                if time.monotonic() > end:
                    msg = (
                        f"Another process has worked on messages of this user in {self.place} for more than {seconds:.0f} s. "
                        "Wait for it, or end it if it hangs; then repeat the call."
                    )
                    raise StoreInUseError(msg)
                time.sleep(POLL_SECONDS)
            yield

    def close(self) -> None:
        super().close()
        if not self.is_forked:
            self._holders.dispose()

    def check(self) -> list[str]:
        with self.reading() as connection:  # the connection works; checking its disk is the server's task
            connection.execute(text("SELECT 1"))
        return []

    def shrink(self) -> None:
        """Rewrite the tables. The server's log, replicas and backups keep data for as long as they are configured to."""
        with self.translated(), self.engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT")
            for table in (*(table.name for table in metadata.sorted_tables), "lexical"):
                connection.exec_driver_sql(f"VACUUM (FULL) {table}")

    def copy(self, path: Path) -> None:
        msg = f"A ledger on PostgreSQL can't be copied to {path}. Use `pg_dump --schema {SCHEMA}`, or `export`."
        raise InvalidInputError(msg)

    def _begin_reading(self, connection: Connection) -> None:
        connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    def _begin_writing(self, connection: Connection) -> None:
        # A stricter level would take its snapshot before the lock is acquired, and miss the last writer's changes.
        connection.execution_options(isolation_level="READ COMMITTED")
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _WRITERS})

    def _prepare(self) -> None:
        with self.writing() as connection:
            encoding = connection.execute(text("SHOW server_encoding")).scalar_one()
            if encoding != "UTF8":
                msg = f"The database {self.place} is encoded in {encoding}. Create one with ENCODING 'UTF8'."
                raise LedgerError(msg)
            is_new = connection.execute(text("SELECT to_regnamespace(:name)"), {"name": SCHEMA}).scalar() is None
            if is_new:
                connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))
            prepare(connection, self.place)
            if is_new:
                _keep_no_samples(connection)

    def _explained(self, why: str) -> LedgerError:
        remedy = next((words for sign, words in _REMEDIES.items() if sign in why), "check the server's log")
        return LedgerError(
            f"The ledger {self.place} failed: {why}; nothing of this call was stored. To go on: {remedy}."
        )


def _keep_no_samples(connection: Connection) -> None:
    """Disable planner statistics for text columns: they are samples of the text and would outlive an erasure."""
    columns = [
        (column.table.name, column.name) for table in metadata.sorted_tables for column in table.c if _has_text(column)
    ]
    for table, column in (*columns, ("lexical", "words")):
        connection.execute(text(f'ALTER TABLE {table} ALTER "{column}" SET STATISTICS 0'))


def _has_text(column: Column[Any]) -> bool:
    return isinstance(column.type, Words | JSON)


def _engine(url: str, durability: Durability, **options: Any) -> Engine:
    try:
        address = make_url(url).set(drivername="postgresql+psycopg")
    except (ArgumentError, ValueError) as error:
        msg = "The ledger's URL is invalid. Pass one like postgresql://user:password@host:5432/database."
        raise InvalidInputError(msg) from error
    engine = create_engine(address, pool_pre_ping=True, connect_args={"connect_timeout": CONNECTING_SECONDS}, **options)

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _: Any) -> None:
        connection.autocommit = True  # else the first rollback would undo these settings
        connection.execute(f"SET search_path TO {SCHEMA}")
        connection.execute(f"SET lock_timeout TO '{BUSY_SECONDS}s'")
        connection.execute(f"SET synchronous_commit TO {'on' if durability == 'full' else 'off'}")
        connection.autocommit = False

    return engine


_REMEDIES = {
    "password authentication": "correct the user and password in the URL",
    "does not exist": "create the database or the role, or correct the URL",
    "permission denied": f"grant the role CREATE on the database, or create the schema {SCHEMA} owned by the role",
    "lock timeout": "other transactions are slow; try again",
    "connect": "check that the server runs and can be reached, then repeat the call: stored messages are skipped",
    "terminat": "repeat the call: stored messages are skipped",
    "closed": "repeat the call: stored messages are skipped",
    "No space left": "free some space on the server and try again",
}
