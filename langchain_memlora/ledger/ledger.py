"""The ledger: the durable record of turns, memories and operations, behind one small set of transactions."""

from __future__ import annotations

import array
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType

from sqlalchemy import delete, func, select, update

from langchain_memlora.errors import ConflictError
from langchain_memlora.ledger import erasure, lexical, memories, repair, retention, turns
from langchain_memlora.ledger.database import Durability, open_database
from langchain_memlora.ledger.memories import Change, TurnStatus
from langchain_memlora.ledger.retention import Retention
from langchain_memlora.ledger.rows import chunks, insert_new, now, scope_id, select_turns, to_turn, visible
from langchain_memlora.ledger.schema import changes, indexes, jobs, meta, operations, scopes, vectors
from langchain_memlora.ledger.schema import memories as memories_table
from langchain_memlora.ledger.schema import turns as turns_table
from langchain_memlora.ledger.stream import read_stream, write_stream
from langchain_memlora.ledger.transfer import Imported, Importer, records
from langchain_memlora.ledger.turns import Cut, Job
from langchain_memlora.types import Event, Memory, Operation, Scope, Turn


class AlreadyDoneError(ConflictError):
    """A job was finished by somebody else.

    Attributes:
        job_id: The job.
    """

    def __init__(self, message: str, job_id: str) -> None:
        super().__init__(message)
        self.job_id = job_id


class Ledger:
    """What is true. Every method is one transaction; all of them may be called from any thread or process.

    Args:
        path: The SQLite file; it and its folder are made if missing. Or the URL of a PostgreSQL database
            (`postgresql://user@host/name`), where the ledger has a schema of its own.
        durability: `full` syncs every commit to disk: what a call acknowledged survives a power cut. `normal` syncs now
            and then: it survives a killed process, but a power cut may take the last commits (whole ones, never parts).

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

    def close(self) -> None:
        """Close the database."""
        self.database.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    # -- turns and jobs ------------------------------------------------------------------------------------------

    def append(self, scope: Scope, given: Sequence[Turn], cut: Cut) -> tuple[list[Turn], list[Job]]:
        """Store the turns of one thread that are new, with the jobs that `cut` makes of them."""
        with self.database.writing() as connection:
            return turns.append(connection, scope, given, cut)

    def append_verbatim(
        self, scope: Scope, given: Sequence[Turn], told: Callable[[Sequence[Turn]], Sequence[Change]]
    ) -> tuple[list[Turn], list[Operation]]:
        """Store the turns of one thread that are new, together with the changes that `told` makes of them."""
        with self.database.writing() as connection:
            stored, _ = turns.append(connection, scope, given, lambda new, before: [])
            return stored, memories.apply(connection, scope, told(stored))

    def turns(self, ids: Sequence[str], scope: Scope | None = None) -> dict[str, Turn]:
        """Turns by id; with a scope, those among them that it sees."""
        with self.database.reading() as connection:
            return turns.get_turns(connection, ids, None if scope is None else visible(scope))

    def describe(self, turn_id: str, captions: Sequence[str]) -> None:
        """Write down what was seen in each of a turn's pictures."""
        with self.database.writing() as connection:
            turns.describe(connection, turn_id, captions)

    def pictures(self) -> set[str]:
        """References to all pictures that anybody's turns show."""
        with self.database.reading() as connection:
            return turns.pictures(connection)

    def all_turns(self, scope: Scope) -> list[Turn]:
        """All turns a scope sees, oldest first."""
        with self.database.reading() as connection:
            return [
                to_turn(r) for r in connection.execute(select_turns().where(visible(scope)).order_by(turns_table.c.seq))
            ]

    def previous_turns(self, ids: Sequence[str]) -> dict[str, Turn]:
        """For each turn, the one before it in its thread."""
        with self.database.reading() as connection:
            return turns.previous(connection, ids)

    def turn_status(self, ids: Sequence[str]) -> dict[str, TurnStatus]:
        """What became of what turns told."""
        with self.database.reading() as connection:
            return memories.turn_status(connection, ids)

    def jobs(self, *statuses: str) -> list[Job]:
        """Jobs in these states, oldest first."""
        query = select(jobs, scopes.c.user_id, scopes.c.agent_id, scopes.c.run_id).join(scopes)
        with self.database.reading() as connection:
            return [
                Job(
                    row.id,
                    Scope(row.user_id, row.agent_id or None, row.run_id or None),
                    tuple(row.context),
                    tuple(row.turns),
                    row.status,
                    row.attempts,
                    row.error,
                    row.bundle,
                )
                for row in connection.execute(query.where(jobs.c.status.in_(statuses)).order_by(jobs.c.seq))
            ]

    def fail_job(self, job_id: str, error: str, bundle: str, *, attempts_allowed: int) -> None:
        """Count an attempt that did not work; after the last one allowed, the job is `failed` and waits for `retry`."""
        with self.database.writing() as connection:
            attempts = (connection.execute(select(jobs.c.attempts).where(jobs.c.id == job_id)).scalar() or 0) + 1
            status = "failed" if attempts >= attempts_allowed else "pending"
            values = {"attempts": attempts, "status": status, "error": error, "bundle": bundle}
            unfinished = (jobs.c.id == job_id) & (jobs.c.status != "done")
            connection.execute(update(jobs).where(unfinished).values(**values))

    def reopen_jobs(self, ids: Iterable[str]) -> None:
        """Make failed jobs pending again."""
        with self.database.writing() as connection:
            for job_id in ids:
                connection.execute(update(jobs).where(jobs.c.id == job_id).values(status="pending", attempts=0))

    # -- memories ------------------------------------------------------------------------------------------------

    def revision(self, scope: Scope) -> int:
        """How often this scope's memories have changed."""
        with self.database.reading() as connection:
            owner = scope_id(connection, scope)
            return connection.execute(select(scopes.c.revision).where(scopes.c.id == owner)).scalar() or 0

    def commit(
        self,
        scope: Scope,
        batch: Sequence[Change],
        *,
        expected: int | None = None,
        done: Sequence[str] = (),
        bundle: str = "",
    ) -> list[Operation]:
        """Apply operations and close the jobs that led to them, all in one transaction.

        Args:
            expected: The scope's revision when the decisions were prepared.
            done: Ids of jobs that are finished by this.

        Raises:
            ConflictError: The scope has another revision by now; nothing was written.
            AlreadyDoneError: One of the jobs was finished by somebody else; nothing was written.
            NotFoundError: A change names a memory that is not in this scope, or deleted; nothing was written.
        """
        with self.database.writing() as connection:
            owner = scope_id(connection, scope, create=True)
            found = connection.execute(select(scopes.c.revision).where(scopes.c.id == owner)).scalar_one()
            if expected is not None and found != expected:
                msg = (
                    f"Memories of {scope.user_id!r} changed meanwhile (revision {found}, not {expected}). Decide again."
                )
                raise ConflictError(msg)
            for job_id in done:
                mine = (jobs.c.id == job_id) & (jobs.c.status != "done")
                closed = connection.execute(
                    update(jobs)
                    .where(mine)
                    .values(status="done", error=None, bundle=bundle, attempts=jobs.c.attempts + 1)
                )
                if closed.rowcount != 1:
                    msg = f"Job {job_id} was finished by somebody else; its memories are already there. Nothing is left to do."
                    raise AlreadyDoneError(msg, job_id)
            return memories.apply(connection, scope, batch)

    def delete_all(self, scope: Scope) -> list[Operation]:
        """Delete all memories that a scope sees, in one transaction."""
        with self.database.writing() as connection:
            there = memories.get(connection, visible(scope))
            deletions = ((m.scope, Change(Event.DELETE, m.id, by="delete_all")) for m in there)
            return [op for owner, deletion in deletions for op in memories.apply(connection, owner, [deletion])]

    def restore(self, scope: Scope, memory_id: str) -> Operation:
        """Undo the last change to a memory."""
        with self.database.writing() as connection:
            return memories.restore(connection, scope, memory_id)

    def memories(self, scope: Scope, *, ids: Sequence[str] | None = None, deleted: bool = False) -> list[Memory]:
        """The memories a scope sees, oldest first; with `ids`, only those among them."""
        with self.database.reading() as connection:
            if ids is None:
                return memories.get(connection, visible(scope), deleted=deleted)
            parts = chunks(list(ids))
            wanted = (visible(scope) & memories_table.c.id.in_(part) for part in parts)
            return [memory for condition in wanted for memory in memories.get(connection, condition, deleted=deleted)]

    def any_memories(self, ids: Sequence[str]) -> list[Memory]:
        """Memories by id, whoever's they are and in whatever state: for indexes only, never for callers."""
        with self.database.reading() as connection:
            parts = (memories_table.c.id.in_(part) for part in chunks(list(ids)))
            return [memory for part in parts for memory in memories.get(connection, part, deleted=True)]

    def history(self, scope: Scope, memory_id: str | None = None) -> list[Operation]:
        """Operations a scope sees, oldest first."""
        condition = visible(scope)
        if memory_id is not None:
            condition &= operations.c.memory_id == memory_id
        with self.database.reading() as connection:
            return memories.history(connection, condition)

    def lexical(self, scope: Scope, kind: str, query: str, limit: int) -> list[str]:
        """Ids of a user's turns or memories that match a query's words, best first."""
        with self.database.reading() as connection:
            return lexical.search(connection, scope.user_id, kind, query, limit)

    # -- what the indexes need -----------------------------------------------------------------------------------

    def changed_since(self, index: str, limit: int = 1000) -> tuple[dict[tuple[str, str], None], int, int]:
        """Items that changed after what an index has applied (each once), that number, and the one it will have then."""
        with self.database.reading() as connection:
            seen = connection.execute(select(indexes.c.applied_seq).where(indexes.c.name == index)).scalar() or 0
            rows = connection.execute(
                select(changes).where(changes.c.seq > seen).order_by(changes.c.seq).limit(limit)
            ).all()
        return {(row.kind, row.item_id): None for row in rows}, seen, rows[-1].seq if rows else seen

    def applied(self, index: str) -> int:
        """The last change that an index has applied; 0 for an index that knows nothing."""
        with self.database.reading() as connection:
            return connection.execute(select(indexes.c.applied_seq).where(indexes.c.name == index)).scalar() or 0

    def mark_applied(self, index: str, seq: int, *, after: int) -> bool:
        """Record that an index is up to date up to a change.

        Args:
            after: What it had applied when the items' state was read.

        Returns:
            `False`, and nothing is recorded, if somebody else has applied something since: what was written may be older.
        """
        with self.database.writing() as connection:
            if after == 0:
                return insert_new(connection, indexes, {"name": index, "applied_seq": seq})
            unmoved = (indexes.c.name == index) & (indexes.c.applied_seq == after)
            return connection.execute(update(indexes).where(unmoved).values(applied_seq=seq)).rowcount == 1

    def forget_applied(self, index: str) -> None:
        """Make an index start again from the first change."""
        with self.database.writing() as connection:
            connection.execute(delete(indexes).where(indexes.c.name == index))

    def setting(self, key: str, value: str) -> str:
        """A setting that is fixed by whoever comes first: the stored value, or `value` if there was none."""
        with self.database.writing() as connection:
            insert_new(connection, meta, {"key": key, "value": value})
            return connection.execute(select(meta.c.value).where(meta.c.key == key)).scalar_one()

    def forget_setting(self, key: str) -> None:
        """Let the next comer fix a setting anew."""
        with self.database.writing() as connection:
            connection.execute(delete(meta).where(meta.c.key == key))

    def cached_vectors(self, embedder: str, texts: Sequence[str]) -> dict[str, list[float]]:
        """Vectors of texts this embedder has seen, by text."""
        keys = {erasure.digest(content): content for content in texts}
        found = {}
        with self.database.reading() as connection:
            for chunk in chunks(list(keys)):
                mine = (vectors.c.embedder == embedder) & vectors.c.text_sha256.in_(chunk)
                for row in connection.execute(select(vectors.c.text_sha256, vectors.c.vector).where(mine)):
                    found[keys[row.text_sha256]] = list(array.array("f", row.vector))
        return found

    def cache_vectors(self, embedder: str, found: dict[str, list[float]]) -> None:
        """Keep vectors, so that no text is embedded twice."""
        rows = [
            {"embedder": embedder, "text_sha256": erasure.digest(content), "vector": array.array("f", vector).tobytes()}
            for content, vector in found.items()
        ]
        if rows:
            with self.database.writing() as connection:
                insert_new(connection, vectors, rows)

    def erase(self, user_id: str | None = None) -> dict[str, int]:
        """Erase a user, or everybody, for good; returns how many rows went, by table.

        The bytes are gone after `finish_erasure`, which belongs after the indexes were brought up to date.
        """
        with self.database.writing() as connection:
            return erasure.erase(connection, user_id)

    def expire(self, limits: Retention, scope: Scope | None = None) -> dict[str, int]:
        """Erase what a scope, or each of all scopes, holds beyond its limits; returns how many rows went, by table.

        Like after `erase`, the bytes are gone after `finish_erasure`.
        """
        with self.database.writing() as connection:
            everybody = connection.execute(select(scopes.c.id)).scalars().all()
            owners = everybody if scope is None else [scope_id(connection, scope, create=True)]
            went = sum((Counter(retention.expire(connection, owner, limits, now())) for owner in owners), Counter())
        return {table: went[table] for table in ("turns", "memories", "operations", "jobs", "vectors")}

    def erasure_is_unfinished(self) -> bool:
        """Whether bytes of something erased may still lie in the files."""
        with self.database.reading() as connection:
            return erasure.is_unfinished(connection)

    def finish_erasure(self) -> None:
        """Rewrite the file, empty the write-ahead log and remove copies of damaged files; on PostgreSQL, rewrite the tables.

        Raises:
            LedgerError: Somebody is reading an old state; the next opening, or erasing again, finishes it.
        """
        with self.database.writing() as connection:
            lexical.optimize(connection)
        self.database.shrink()
        with self.database.writing() as connection:
            erasure.finish(connection)

    # -- moving and mending --------------------------------------------------------------------------------------

    def export(self, path: str | Path, user_id: str | None = None) -> None:
        """Write all records, or a user's, as they are at one moment, into a new file of JSON lines.

        Raises:
            InvalidInputError: The file exists or can't be written.
        """
        with self.database.reading() as connection:
            write_stream(Path(path), {"user_id": user_id}, records(connection, user_id))

    def import_(self, path: str | Path) -> Imported:
        """Take in what `export` wrote: all of it, or nothing. What is here already is left as it is.

        Raises:
            InvalidInputError: It is no export, or was cut or changed; the message names the line.
        """
        with self.database.writing() as connection:
            return Importer(connection).take(read_stream(Path(path)))

    def backup(self, path: str | Path) -> None:
        """Copy the ledger, while it is in use, into a new file that is a ledger itself.

        Raises:
            InvalidInputError: The file exists or can't be written, or the ledger lies on a server.
        """
        self.database.copy(Path(path))

    def repair(self) -> int:
        """Make full-text search anew from the tables; returns how many of its entries were wrong."""
        with self.database.writing() as connection:
            return repair.rewrite_words(connection)

    def waiting(self, index: str) -> int:
        """How many changes an index has not applied yet."""
        with self.database.reading() as connection:
            seen = connection.execute(select(indexes.c.applied_seq).where(indexes.c.name == index)).scalar() or 0
            return connection.execute(select(func.count()).where(changes.c.seq > seen)).scalar_one()

    def counts(self) -> dict[str, int]:
        """How many rows the main tables hold."""
        with self.database.reading() as connection:
            tables = (turns_table, memories_table, operations, jobs, vectors)
            return {t.name: connection.execute(select(func.count()).select_from(t)).scalar_one() for t in tables}

    def check(self) -> list[str]:
        """The database's own integrity check: an empty list means sound."""
        return self.database.check()
