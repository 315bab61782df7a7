"""Export and import of a ledger's records: turns, memories, their links, jobs and history.

Derived data (full-text search, vectors) is not exported but rebuilt. Records are identified by their ids; row numbers are kept
if the ledger was empty, and assigned otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from sqlalchemy import Connection, Table, func, select, text, true, update
from sqlalchemy.exc import SQLAlchemyError

from langchain_memlora.errors import InvalidInputError
from langchain_memlora.ledger import identity, lexical, spans
from langchain_memlora.ledger.forms import mark_unproven
from langchain_memlora.ledger.rows import (
    MEMORY,
    TURN,
    WINDOW,
    insert_new,
    insert_row,
    note_changes,
    observed,
    observed_at,
    references,
    said,
    said_after,
    scope_id,
)
from langchain_memlora.ledger.schema import UTC_OFFSET, evidence, jobs, memories, operations, scopes, turns, withheld
from langchain_memlora.ledger.turns import get_turns, previous, rewrite_entries
from langchain_memlora.ledger.withheld import note, note_evidence_of_deleted
from langchain_memlora.types import Form, MemoryState, Scope, Unread

OWNED = {"turn": turns, "memory": memories, "job": jobs, "operation": operations}
"""Records that belong to a scope, in the order in which they may refer to each other."""


@dataclass(frozen=True, slots=True)
class Imported:
    """The numbers of imported records.

    Attributes:
        skipped: Records that existed already, and records of memories that did.
    """

    turns: int = 0
    memories: int = 0
    operations: int = 0
    jobs: int = 0
    skipped: int = 0


def records(connection: Connection, user_id: str | None = None) -> Iterator[dict[str, Any]]:
    """Yield all records of a user, or of all users, each kind in its own order."""
    mine = true() if user_id is None else scopes.c.user_id == user_id
    for kind, table in OWNED.items():
        query = select(table, scopes.c.user_id, scopes.c.agent_id, scopes.c.run_id).join(scopes).where(mine)
        left_out = {"scope_id", "seq"} if table is jobs else {"scope_id"}  # no record refers to a job by its number
        for row in connection.execute(query.order_by(table.c.seq)).mappings():
            yield {"record": kind, **{name: value for name, value in row.items() if name not in left_out}}
        if table is memories:
            link = (evidence.c.memory_id, evidence.c.turn_id, evidence.c.version)
            links = select(*link).join(memories, memories.c.id == evidence.c.memory_id).join(scopes).where(mine)
            for row in connection.execute(links.order_by(evidence.c.seq)).mappings():
                yield {"record": "evidence", **row}
    items = (withheld.c.cause, withheld.c.kind, withheld.c.item_id, withheld.c.reason)
    for row in connection.execute(select(*items).join(scopes).where(mine).order_by(withheld.c.seq)).mappings():
        yield {"record": "withheld", **row}


class Importer:
    """Reads records into a ledger, inside one write transaction."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection
        self._empty = not connection.execute(select(func.count()).select_from(scopes)).scalar_one()
        self._owners: dict[Scope, int] = {}
        self._turn_ids: dict[str, str] = {}
        self._known_memories: set[str] = set()
        self._other_turns: set[str] = set()  # known under the same message id, but with another text
        self._spans: dict[str, int] = {}  # version of the text, by memory, until its first evidence comes
        self._unmarked: list[str] = []
        self._hidden: list[str] = []
        self._counts = dict.fromkeys(("turns", "memories", "operations", "jobs", "skipped"), 0)

    def take(self, rows: Iterable[tuple[int, dict[str, Any]]]) -> Imported:
        """Import all records.

        Raises:
            InvalidInputError: A record is invalid; the message names the line.
        """
        takers = {
            "turn": self._turn,
            "memory": self._memory,
            "evidence": self._evidence,
            "job": self._job,
            "operation": self._operation,
            "withheld": self._withheld,
        }
        for number, row in rows:
            kind = row.pop("record")
            try:
                takers[kind](row)
            except (KeyError, TypeError, ValueError, SQLAlchemyError) as error:
                msg = (
                    f"Line {number} holds an invalid {kind!r} record ({type(error).__name__}: {error!s:.200}); nothing was "
                    "imported. Export again."
                )
                raise InvalidInputError(msg) from error
        mark_unproven(self._db, self._unmarked)
        rewrite_entries(self._db, [*self._hidden, *note_evidence_of_deleted(self._db)])
        if self._db.dialect.name == "postgresql":  # its counters ignore explicit numbers
            for table in (turns, memories, operations):
                last = f"SELECT setval(pg_get_serial_sequence('{table.name}', 'seq'), max(seq)) FROM {table.name}"
                self._db.execute(text(last))
        self._db.execute(
            update(scopes).where(scopes.c.id.in_(self._owners.values())).values(revision=scopes.c.revision + 1)
        )
        return Imported(**self._counts)

    def _turn(self, row: dict[str, Any]) -> None:
        scope = self._scope(row)
        known = self._known(row, self._owners[scope])
        self._turn_ids[row["id"]] = known.id if known else row["id"]
        if known:
            if (known.text, known.images) != (row["text"], row["images"]):
                self._other_turns.add(known.id)
            self._counts["skipped"] += 1
            return
        row = _with_offset({"unread": "", **row})
        _check_one_of("unread", row["unread"], get_args(Unread))
        seq = self._insert(turns, row, scope)
        turn = get_turns(self._db, [row["id"]])[row["id"]]
        lexical.put(self._db, scope.user_id, TURN, seq, turn.id, said(turn))
        before = previous(self._db, [turn.id]).get(turn.id)
        lexical.put(self._db, scope.user_id, WINDOW, seq, turn.id, said_after(before, turn))
        note_changes(self._db, TURN, [turn.id])

    def _known(self, row: dict[str, Any], owner: int) -> Any:
        """Return the stored turn that a record is of; a record of another conversation without a thread gets a thread."""
        ambiguous = row["thread_id"] == identity.UNNAMED and not identity.is_unique(row["message_id"])
        threads = identity.unnamed_threads(self._db, owner) if ambiguous else [row["thread_id"]]
        rows = identity.known_rows(self._db, owner, threads, [row["message_id"]])
        found = {thread: by_id[row["message_id"]] for thread, by_id in rows.items()}
        said = (row["text"], references(row["images"]))
        same = [known for known in found.values() if (known.text, references(known.images)) == said]
        if same or not found or not ambiguous:
            return same[0] if same else found.get(row["thread_id"])
        free = [thread for thread in threads if thread not in found]
        row["thread_id"] = free[-1] if free else identity.new_thread(threads)
        return None

    def _memory(self, row: dict[str, Any]) -> None:
        scope = self._scope(row)
        if self._db.execute(select(memories.c.id).filter_by(id=row["id"])).first():
            self._known_memories.add(row["id"])
            self._counts["skipped"] += 1
            return
        state = MemoryState(row["state"])
        if "form" not in row:
            self._unmarked.append(row["id"])
        row = _with_source(_with_offset(row))
        if row["said"]:
            self._spans[row["id"]] = row["version"]
        seq = self._insert(memories, row, scope)
        if state is MemoryState.ACTIVE:
            lexical.put(self._db, scope.user_id, MEMORY, seq, row["id"], row["text"])
        note_changes(self._db, MEMORY, [row["id"]])

    def _evidence(self, row: dict[str, Any]) -> None:
        memory_id, turn_id = row["memory_id"], self._turn_ids[row["turn_id"]]
        if memory_id in self._known_memories:
            return
        insert_new(self._db, evidence, {**row, "turn_id": turn_id})
        if self._spans.get(memory_id) == row["version"]:
            del self._spans[memory_id]
            if turn_id in self._other_turns:
                self._db.execute(update(memories).where(memories.c.id == memory_id).values(said=None))

    def _job(self, row: dict[str, Any]) -> None:
        scope = self._scope(row)
        if self._db.execute(select(jobs.c.id).filter_by(id=row["id"])).first():
            self._counts["skipped"] += 1
            return
        parts = {part: [self._turn_ids[turn_id] for turn_id in row[part]] for part in ("context", "turns")}
        self._insert(jobs, {**row, **parts}, scope)

    def _operation(self, row: dict[str, Any]) -> None:
        scope = self._scope(row)
        row = _with_source({**row, "turn_id": row["turn_id"] and self._turn_ids[row["turn_id"]]})
        if row["turn_id"] in self._other_turns:
            row["said"] = None
        same = {name: row[name] for name in ("memory_id", "turn_id", "job_id", "event", "fact", "made_by", "at")}
        known = row["memory_id"] in self._known_memories
        if not (known or self._empty):
            mine = select(operations.c.seq).filter_by(scope_id=self._owners[scope], **same)
            known = self._db.execute(mine).first() is not None
        if known:
            self._counts["skipped"] += 1
        else:
            self._insert(operations, row, scope)

    def _withheld(self, row: dict[str, Any]) -> None:
        cause, item = (self._turn_ids.get(row[name], row[name]) for name in ("cause", "item_id"))
        _check_one_of("kind", row["kind"], (TURN, MEMORY))
        if item not in self._known_memories and cause not in self._known_memories:
            note(self._db, cause, row["kind"], {item: str(row["reason"])})
            self._hidden += [item] if row["kind"] == TURN else []

    def _scope(self, row: dict[str, Any]) -> Scope:
        scope = Scope(row.pop("user_id"), row.pop("agent_id") or None, row.pop("run_id") or None)
        if scope not in self._owners:
            self._owners[scope] = scope_id(self._db, scope, create=True)
        return scope

    def _insert(self, table: Table, row: dict[str, Any], scope: Scope) -> int:
        values = row if self._empty else {name: value for name, value in row.items() if name != "seq"}
        self._counts[table.name] += 1
        return insert_row(self._db, table, {**values, "scope_id": self._owners[scope]})


def _with_offset(row: dict[str, Any]) -> dict[str, Any]:
    """Return a turn or memory with a valid time; exports of versions before 4 have no offset.

    Raises:
        ValueError: Its time or offset is invalid.
    """
    return {**row, **observed(observed_at(row["observed_at"], row.get("utc_offset", UTC_OFFSET)))}


def _with_source(row: dict[str, Any]) -> dict[str, Any]:
    """Return a memory or operation with a valid form and span; exports of version 1 have neither."""
    source = {"form": row.get("form", "given"), "said": spans.checked(row.get("said"))}
    _check_one_of("form", source["form"], get_args(Form))
    return {**row, **source}


def _check_one_of(name: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        msg = f"{name}={value!r} is unknown; allowed are {', '.join(map(repr, allowed))}"
        raise ValueError(msg)
