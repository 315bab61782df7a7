"""The ledger: the durable record of turns, memories and operations, behind one small set of transactions."""

from __future__ import annotations

import array
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType

from sqlalchemy import delete, func, select, true

from langchain_memlora.errors import ConflictError
from langchain_memlora.ledger import (
    deletion,
    erasure,
    job_states,
    later,
    lexical,
    memories,
    repair,
    retention,
    turns,
    vector_cache,
)
from langchain_memlora.ledger.change_log import ChangeLog
from langchain_memlora.ledger.connect import open_database
from langchain_memlora.ledger.database import Durability
from langchain_memlora.ledger.memories import TurnStatus
from langchain_memlora.ledger.new_operation import NewOperation
from langchain_memlora.ledger.readable import readable_records, without_deleted_texts
from langchain_memlora.ledger.reading import Reading, note_read, replaced_by_reading
from langchain_memlora.ledger.recording import Recording
from langchain_memlora.ledger.requests import Requests
from langchain_memlora.ledger.retention import Retention
from langchain_memlora.ledger.rows import chunks, insert_new, now, readable_by, scope_id, select_turns, to_turn
from langchain_memlora.ledger.schema import jobs, meta, operations, scopes, vectors
from langchain_memlora.ledger.schema import memories as memories_table
from langchain_memlora.ledger.schema import turns as turns_table
from langchain_memlora.ledger.selection import Selections
from langchain_memlora.ledger.stream import read_stream, write_stream
from langchain_memlora.ledger.transfer import Imported, Importer, records
from langchain_memlora.ledger.turns import Cut, Job
from langchain_memlora.ledger.withheld import is_withheld
from langchain_memlora.types import Memory, Operation, Scope, Turn


class Ledger(ChangeLog):
    """The durable record. Every method is one transaction and may be called from any thread or process.

    Args:
        path: The SQLite file, created with its folder if missing; or the URL of a PostgreSQL database
            (`postgresql://user@host/name`), where the ledger uses a schema of its own.
        durability: `full` syncs every commit to disk, so acknowledged data survives a power cut. `normal` syncs now and
            then: data survives a killed process, but a power cut may lose the last commits (whole ones, never parts).

    Raises:
        InvalidInputError: An unknown durability.
        LedgerError: The file or database can't be opened, is damaged or has a newer schema.
        MissingExtraError: A URL without the extra `postgres`.

    Example:
        ```python
        from langchain_memlora.ledger import Ledger
        from langchain_memlora.types import Scope

        with Ledger("/tmp/memlora-example/ledger.sqlite3") as ledger:
            print(ledger.memories(Scope("ana")))
        ```
    """

    def __init__(self, path: str | Path, *, durability: Durability = "full") -> None:
        self.database = open_database(path, durability)
        self.reading = Reading(self.database)
        self.recording = Recording(self.database)
        self.requests = Requests(self.database)
        self.selections = Selections(self.database)

    def close(self) -> None:
        """Close the database."""
        self.database.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    # -- turns and jobs ------------------------------------------------------------------------------------------

    def append(
        self, scope: Scope, given: Sequence[Turn], cut: Cut, *, context_turns: int = 2
    ) -> tuple[list[Turn], list[Job]]:
        """Record messages; return the turns that are new, and the jobs that `cut` makes."""
        recorded = self.recording.record(scope, given, cut=cut, context_turns=context_turns)
        return recorded.turns, recorded.jobs

    def turns(self, ids: Sequence[str], scope: Scope | None = None, *, withheld: bool = False) -> dict[str, Turn]:
        """Return turns by id, with `withheld` also those that are withheld; with a scope, only those it can read."""
        shown = true() if withheld else ~is_withheld()
        with self.database.reading() as connection:
            return turns.get_turns(connection, ids, shown if scope is None else shown & readable_by(scope))

    def describe(self, turn_id: str, captions: Sequence[str]) -> None:
        """Store a caption for each of a turn's pictures."""
        with self.database.writing() as connection:
            turns.describe(connection, turn_id, captions)

    def pictures(self) -> set[str]:
        """Return the references to all pictures in all users' turns."""
        with self.database.reading() as connection:
            return turns.pictures(connection)

    def all_turns(self, scope: Scope, *, withheld: bool = False) -> list[Turn]:
        """Return all turns a scope can read, with `withheld` also those that are withheld, oldest first."""
        with self.database.reading() as connection:
            shown = readable_by(scope) if withheld else readable_by(scope) & ~is_withheld()
            mine = select_turns().where(shown).order_by(turns_table.c.seq)
            return [to_turn(row) for row in connection.execute(mine)]

    def previous_turns(self, ids: Sequence[str]) -> dict[str, Turn]:
        """Return the preceding turn in the thread, by turn id."""
        with self.database.reading() as connection:
            return turns.previous(connection, ids)

    def turn_status(self, ids: Sequence[str]) -> dict[str, TurnStatus]:
        """Return the state of the memories that each turn supports."""
        with self.database.reading() as connection:
            return memories.turn_status(connection, ids)

    def jobs(self, *statuses: str, user_id: str | None = None) -> list[Job]:
        """Return the jobs in these states, of all users or of one, oldest first."""
        with self.database.reading() as connection:
            return turns.get_jobs(connection, statuses, user_id)

    def processing(self, user_id: str) -> AbstractContextManager[None]:
        """Hold a user's place: one thread of all processes reads this user's messages at a time, so each job is done once.

        A killed process gives its place up. Jobs that others finished meanwhile are no longer pending.

        Raises:
            StoreInUseError: Another process held the place for ten minutes.
        """
        return self.database.exclusive(f"messages of {user_id}")

    def fail_job(self, job_id: str, error: str, bundle: str, *, attempts_allowed: int) -> None:
        """Count a failed attempt; after the last one allowed, the job is `failed` and waits for `retry`."""
        with self.database.writing() as connection:
            job_states.fail(connection, job_id, error, bundle, attempts_allowed)

    def reopen_jobs(self, ids: Iterable[str]) -> None:
        """Make failed jobs pending again; those that another process has finished stay done."""
        with self.database.writing() as connection:
            job_states.reopen(connection, ids)

    # -- memories ------------------------------------------------------------------------------------------------

    def revision(self, scope: Scope) -> int:
        """Return the number of changes to this scope's memories so far."""
        with self.database.reading() as connection:
            owner = scope_id(connection, scope)
            return connection.execute(select(scopes.c.revision).where(scopes.c.id == owner)).scalar() or 0

    def commit(
        self,
        scope: Scope,
        batch: Sequence[NewOperation],
        *,
        expected: int | None = None,
        done: Sequence[str] = (),
        reread: Sequence[str] = (),
        unread: Sequence[str] = (),
        bundle: str = "",
    ) -> list[Operation]:
        """Apply operations and close the jobs that produced them, in one transaction.

        Args:
            expected: The scope's revision at the time of the decisions.
            done: Ids of the jobs to close.
            reread: Turns that were read again; unproven memories that rest on them are withdrawn.
            unread: Those turns, of the jobs and of `reread`, whose language the bundle does not know.

        Raises:
            ConflictError: The scope's revision has changed; nothing was written.
            AlreadyDoneError: Another writer has finished one of the jobs; nothing was written.
            NotFoundError: An operation names a memory that is deleted or not in this scope; nothing was written.
        """
        with self.database.writing() as connection:
            owner = scope_id(connection, scope, create=True)
            found = connection.execute(select(scopes.c.revision).where(scopes.c.id == owner)).scalar_one()
            if expected is not None and found != expected:
                what = f"revision {found}, expected {expected}"
                msg = f"Memories of {scope.user_id!r} have changed ({what}). Decide again."
                raise ConflictError(msg)
            job_states.close(connection, done, bundle)
            replaced = replaced_by_reading(connection, [key for key in reread if key not in unread])
            note_read(connection, [*turns.turns_of(connection, done), *reread], unread)
            applied = deletion.apply(connection, scope, later.without_deleted(connection, scope, batch))
            return [*applied, *memories.withdraw(connection, scope, replaced)]

    def delete_all(self, scope: Scope) -> list[Operation]:
        """Delete all memories that a scope can read and withhold all its turns, in one transaction."""
        with self.database.writing() as connection:
            return deletion.delete_all(connection, scope)

    def delete_turns(self, scope: Scope, ids: Sequence[str]) -> list[Operation]:
        """Delete turns that a scope can read, in one transaction."""
        with self.database.writing() as connection:
            return deletion.delete_turns(connection, scope, ids)

    def restore(self, scope: Scope, key: str) -> Operation:
        """Undo the last change to a memory, or the deletion of a turn."""
        with self.database.writing() as connection:
            return deletion.restore(connection, scope, key)

    def memories(self, scope: Scope, *, ids: Sequence[str] | None = None, deleted: bool = False) -> list[Memory]:
        """Return the memories a scope can read, oldest first; with `ids`, only those among them."""
        with self.database.reading() as connection:
            if ids is None:
                return memories.get(connection, readable_by(scope), deleted=deleted)
            parts = chunks(list(ids))
            wanted = (readable_by(scope) & memories_table.c.id.in_(part) for part in parts)
            return [memory for condition in wanted for memory in memories.get(connection, condition, deleted=deleted)]

    def any_memories(self, ids: Sequence[str]) -> list[Memory]:
        """Return memories by id, of any owner and in any state: for indexes only, never for callers."""
        with self.database.reading() as connection:
            parts = (memories_table.c.id.in_(part) for part in chunks(list(ids)))
            return [memory for part in parts for memory in memories.get(connection, part, deleted=True)]

    def history(self, scope: Scope, memory_id: str | None = None, *, deleted: bool = True) -> list[Operation]:
        """Return the operations a scope can read, oldest first; without `deleted`, texts that were deleted are left out."""
        condition = readable_by(scope)
        if memory_id is not None:
            condition &= operations.c.memory_id == memory_id
        with self.database.reading() as connection:
            found = memories.history(connection, condition)
            return found if deleted else without_deleted_texts(connection, scope.user_id, found)

    def lexical(
        self, scope: Scope, kind: str, query: str, limit: int, among: Mapping[str, int] | None = None
    ) -> list[str]:
        """Return the ids of a user's turns or memories that match a query's words, best first; `among` is of a `Selection`."""
        with self.database.reading() as connection:
            return lexical.search(connection, scope.user_id, kind, query, limit, among)

    # -- settings and vector cache -------------------------------------------------------------------------------

    def setting(self, key: str, value: str) -> str:
        """Return a setting that the first caller fixes: the stored value, or `value` if there was none."""
        with self.database.writing() as connection:
            insert_new(connection, meta, {"key": key, "value": value})
            return connection.execute(select(meta.c.value).where(meta.c.key == key)).scalar_one()

    def known_setting(self, key: str) -> str | None:
        """Return a setting, or `None` if no caller has fixed it."""
        with self.database.reading() as connection:
            return connection.execute(select(meta.c.value).where(meta.c.key == key)).scalar()

    def replace_setting(self, key: str, value: str | None) -> None:
        """Change a setting, in one transaction; with `None`, remove it, so that the next caller can fix it."""
        with self.database.writing() as connection:
            connection.execute(delete(meta).where(meta.c.key == key))
            if value is not None:
                insert_new(connection, meta, {"key": key, "value": value})

    def cached_bytes(self, name: str, texts: Sequence[str]) -> dict[str, bytes]:
        """Return what is cached under this name, by text."""
        with self.database.reading() as connection:
            return vector_cache.read(connection, name, texts)

    def cache_bytes(self, name: str, found: Mapping[str, bytes]) -> None:
        """Cache what was computed from texts. It is erased with them."""
        if found:
            with self.database.writing() as connection:
                vector_cache.write(connection, name, found)

    def cached_vectors(self, embedder: str, texts: Sequence[str]) -> dict[str, list[float]]:
        """Return the cached vectors of this embedder, by text."""
        return {text: list(array.array("f", vector)) for text, vector in self.cached_bytes(embedder, texts).items()}

    def cache_vectors(self, embedder: str, found: Mapping[str, Sequence[float]]) -> None:
        """Keep vectors, so that no text is embedded twice."""
        self.cache_bytes(embedder, {text: array.array("f", vector).tobytes() for text, vector in found.items()})

    def forget_vectors(self, embedder: str) -> None:
        """Remove the cached vectors of an embedder that is no longer used."""
        with self.database.writing() as connection:
            connection.execute(delete(vectors).where(vectors.c.embedder == embedder))

    def erase(self, user_id: str | None = None) -> dict[str, int]:
        """Erase a user, or all users, permanently; return the number of erased rows by table.

        The bytes are gone after `finish_erasure`, to be called once the indexes are up to date.
        """
        with self.database.writing() as connection:
            return erasure.erase(connection, user_id)

    def expire(self, limits: Retention, scope: Scope | None = None) -> dict[str, int]:
        """Erase, as `erase` does, what a scope or every scope holds beyond its limits; return the number of rows by table."""
        with self.database.writing() as connection:
            return retention.expire_scopes(connection, scope, limits, now())

    def erasure_is_unfinished(self) -> bool:
        """Return whether bytes of erased rows may remain in the files."""
        with self.database.reading() as connection:
            return erasure.mark(connection) is not None

    def finish_erasure(self) -> None:
        """Rewrite the file, empty the write-ahead log and remove copies of damaged files; on PostgreSQL, rewrite the tables.

        Raises:
            LedgerError: A reader holds an old state; the next opening, or erasing again, finishes it.
        """
        with self.database.writing() as connection:
            mark = erasure.mark(connection)
            lexical.optimize(connection)
        self.database.shrink()
        with self.database.writing() as connection:
            erasure.finish(connection, mark)

    # -- export, backup and repair --------------------------------------------------------------------------------

    def export(self, path: str | Path, user_id: str | None = None) -> None:
        """Write one consistent state of all records, or of those of a user that can be read, to a new file of JSON lines.

        Raises:
            InvalidInputError: The file exists or can't be written.
        """
        with self.database.reading() as connection:
            rows = records(connection) if user_id is None else readable_records(connection, user_id)
            write_stream(Path(path), {"user_id": user_id}, rows)

    def import_(self, path: str | Path) -> Imported:
        """Import a file that `export` wrote, whole or not at all. Existing records are kept as they are.

        Raises:
            InvalidInputError: The file is not an export, or is truncated or changed; the message names the line.
        """
        with self.database.writing() as connection:
            return Importer(connection).take(read_stream(Path(path)))

    def backup(self, path: str | Path) -> None:
        """Copy the ledger, even while it is in use, to a new file that is itself a ledger.

        Raises:
            InvalidInputError: The file exists or can't be written, or the ledger is on a server.
        """
        self.database.copy(Path(path))

    def repair(self) -> int:
        """Rebuild full-text search from the tables; return the number of wrong entries."""
        with self.database.writing() as connection:
            return repair.rewrite_words(connection)

    def counts(self) -> dict[str, int]:
        """Return the number of rows in each main table."""
        with self.database.reading() as connection:
            tables = (turns_table, memories_table, operations, jobs, vectors)
            return {t.name: connection.execute(select(func.count()).select_from(t)).scalar_one() for t in tables}

    def check(self) -> list[str]:
        """Run the database's own integrity check; an empty list means no problems."""
        return self.database.check()
