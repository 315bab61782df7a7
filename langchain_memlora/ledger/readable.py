"""A user's records and history without what was deleted: for the export of that user, and for readers of the history."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, select

from langchain_memlora.ledger.details import Detail
from langchain_memlora.ledger.lineage import standing_details
from langchain_memlora.ledger.schema import memories, scopes, turns
from langchain_memlora.ledger.transfer import records
from langchain_memlora.ledger.withheld import is_withheld
from langchain_memlora.types import MemoryState, Operation, Scope


class _Readable:
    """The memories and turns of a user that can be read."""

    def __init__(self, connection: Connection, user_id: str) -> None:
        mine = scopes.c.user_id == user_id
        hidden = select(turns.c.id).join(scopes).where(mine, is_withheld())
        self.hidden = set(connection.execute(hidden).scalars())
        active = select(memories.c.id).join(scopes).where(mine, memories.c.state == MemoryState.ACTIVE)
        self.memories = set(connection.execute(active).scalars())
        self._connection = connection
        self._details: dict[Scope, list[Detail]] = {}

    def operation(self, scope: Scope, memory_id: str | None, turn_id: str | None, *texts: str | None) -> bool:
        """Return whether an operation is on an active memory or a shown turn, and repeats no deleted detail."""
        if scope not in self._details:
            standing = standing_details(self._connection, scope).values()
            self._details[scope] = [detail for found in standing for detail in found]
        shown = turn_id not in self.hidden if memory_id is None else memory_id in self.memories
        return shown and not any(detail.is_in(text) for text in texts if text for detail in self._details[scope])


def readable_records(connection: Connection, user_id: str) -> Iterator[dict[str, Any]]:
    """Yield the records of a user that can be read; operations that repeat a deleted detail are left out."""
    readable = _Readable(connection, user_id)
    for row in records(connection, user_id):
        match row["record"]:
            case "turn":
                shown = row["id"] not in readable.hidden
            case "memory":
                shown = row["id"] in readable.memories
            case "evidence":
                shown = row["memory_id"] in readable.memories and row["turn_id"] not in readable.hidden
            case "job":
                row |= {name: [key for key in row[name] if key not in readable.hidden] for name in ("context", "turns")}
                shown = bool(row["turns"])
            case "operation":
                scope = Scope(user_id, row["agent_id"] or None, row["run_id"] or None)
                texts = (row["fact"], row["before"], row["after"])
                shown = readable.operation(scope, row["memory_id"], row["turn_id"], *texts)
                if row["turn_id"] in readable.hidden:
                    row |= {"turn_id": None, "said": None}
            case _:
                shown = False
        if shown:
            yield row


def without_deleted_texts(connection: Connection, user_id: str, history: Sequence[Operation]) -> list[Operation]:
    """Return operations, without the texts of those that can't be read."""
    readable = _Readable(connection, user_id)
    return [
        op
        if readable.operation(op.scope, op.memory_id, op.turn_id, op.fact, op.before, op.after)
        else replace(op, fact="", before=None, after=None)
        for op in history
    ]
