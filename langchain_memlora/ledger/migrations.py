"""Creation of the ledger's tables, and migration of those that an older version created.

To change a table, change it in `schema`, increment `VERSION` and add a step. A step is a function of the connection; all steps
run in the transaction that opens the ledger, so a crash leaves the old version. Full-text search is filled again after the last
step, if `WORDS_OF` was not reached: a change to `terms` or to the table of `lexical` increments both.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, insert, inspect, select, text, update

from langchain_memlora.errors import LedgerError
from langchain_memlora.ledger import lexical, repair
from langchain_memlora.ledger.forms import mark_unproven
from langchain_memlora.ledger.schema import (
    UTC_OFFSET,
    evidence,
    jobs,
    memories,
    meta,
    metadata,
    operations,
    turns,
    withheld,
)
from langchain_memlora.ledger.turns import rewrite_entries
from langchain_memlora.ledger.withheld import note_evidence_of_deleted

VERSION = 9
WORDS_OF = 6
"""The version from which full-text search is stored as it is now."""
_KEY = meta.c.key == "schema"


def prepare(connection: Connection, place: str) -> None:
    """Create the tables in an empty database, or migrate existing ones.

    Raises:
        LedgerError: A newer version created them.
    """
    if not inspect(connection).has_table(meta.name):
        metadata.create_all(connection)
        lexical.create(connection)
        connection.execute(insert(meta).values(key="schema", value=str(VERSION)))
        return
    found = int(connection.execute(select(meta.c.value).where(_KEY)).scalar_one())
    if found > VERSION:
        msg = f"{place} has ledger schema {found}; this version reads up to {VERSION}. Use the version that wrote it."
        raise LedgerError(msg)
    for version in range(found + 1, VERSION + 1):
        STEPS[version](connection)
        connection.execute(update(meta).where(_KEY).values(value=str(version)))
    if found < WORDS_OF:
        repair.rewrite_words(connection)


def _number_jobs_and_evidence(connection: Connection) -> None:
    """Add explicit row numbers: version 1 relied on SQLite's hidden ones, which PostgreSQL lacks."""
    for table, index in ((jobs, "ix_jobs_status"), (evidence, "ix_evidence_turn_id")):
        columns = ", ".join(column.name for column in table.c if column.name != "seq")
        connection.execute(text(f"DROP INDEX {index}"))
        connection.execute(text(f"ALTER TABLE {table.name} RENAME TO old"))
        table.create(connection)
        connection.execute(text(f"INSERT INTO {table.name} (seq, {columns}) SELECT rowid, {columns} FROM old"))
        connection.execute(text("DROP TABLE old"))


def _index_words_at_once(connection: Connection) -> None:
    """Turn `fastupdate` off: in version 2 PostgreSQL kept new words in a list that every search had to scan."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("ALTER INDEX lexical_by_word SET (fastupdate = off)"))
        connection.execute(text("SELECT gin_clean_pending_list('lexical_by_word')"))


def _keep_sources(connection: Connection) -> None:
    """Add the source of each text: until version 3 nothing that the extraction expert wrote was checked."""
    for table in (memories, operations):
        connection.execute(text(f"ALTER TABLE {table.name} ADD COLUMN form VARCHAR DEFAULT 'given' NOT NULL"))
        connection.execute(text(f"ALTER TABLE {table.name} ADD COLUMN said JSON"))
        if connection.dialect.name == "postgresql":  # its planner would keep samples of the text
            connection.execute(text(f"ALTER TABLE {table.name} ALTER said SET STATISTICS 0"))
    mark_unproven(connection)


def _mark_unread_turns(connection: Connection) -> None:
    """Add the mark of turns that are still to be read: until version 4 only the result of `add` named them."""
    connection.execute(text(f"ALTER TABLE {turns.name} ADD COLUMN unread VARCHAR DEFAULT '' NOT NULL"))


def _split_any_script(connection: Connection) -> None:
    """Create full-text search again: until version 5 it knew a word only by the spaces around it."""
    lexical.recreate(connection)


def _index_threads(connection: Connection) -> None:
    """Add an index to find the turn before another: searches of version 6 did not need it."""
    for index in turns.indexes:
        index.create(connection, checkfirst=True)


def _keep_offsets(connection: Connection) -> None:
    """Add the offset of each speaker: until version 7 all times were read in UTC, so that is their offset."""
    for table in (turns, memories):
        connection.execute(
            text(f"ALTER TABLE {table.name} ADD COLUMN utc_offset VARCHAR DEFAULT '{UTC_OFFSET}' NOT NULL")
        )


def _record_withheld(connection: Connection) -> None:
    """Add the table of what is withheld: until version 8 it was the evidence of deleted memories, which searches left out."""
    withheld.create(connection)
    rewrite_entries(connection, note_evidence_of_deleted(connection))


STEPS: dict[int, Callable[[Connection], None]] = {
    2: _number_jobs_and_evidence,
    3: _index_words_at_once,
    4: _keep_sources,
    5: _mark_unread_turns,
    6: _split_any_script,
    7: _index_threads,
    8: _keep_offsets,
    9: _record_withheld,
}
