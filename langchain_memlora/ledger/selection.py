"""The selection of what a search may return: the items that a scope can read and whose metadata meet a condition.

A memory meets a condition if its own metadata do, or those of a message that supports its current text: a fact that was stated
in two sessions belongs to both.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Text, cast, select

from langchain_memlora.ledger.database import Database
from langchain_memlora.ledger.rows import readable_by
from langchain_memlora.ledger.schema import evidence, memories, scopes, turns
from langchain_memlora.ledger.withheld import is_withheld
from langchain_memlora.types import MemoryState, Scope

Condition = Callable[[Mapping[str, Any]], bool]


@dataclass(frozen=True, slots=True)
class Selection:
    """Active memories, and turns that are not withheld: their ids, with their row numbers."""

    memories: dict[str, int]
    turns: dict[str, int]


class Selections:
    """Selects the items of scopes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def is_whole(self, scope: Scope, *, exactly: bool = False) -> bool:
        """Return whether what a scope can read, or with `exactly` the scope itself, is all that its user has."""
        outside = (scopes.c.user_id == scope.user_id) & ~_owned(scope, exactly=exactly)
        with self._database.reading() as connection:
            return connection.execute(select(scopes.c.id).where(outside).limit(1)).first() is None

    def select(
        self, scope: Scope, meets: Condition | None = None, *, exactly: bool = False, with_turns: bool = True
    ) -> Selection:
        """Return the items that a search may return.

        Args:
            meets: The condition on their metadata.
            exactly: Select what is of the scope, rather than all that it can read.
            with_turns: Select turns too.
        """
        with self._database.reading() as connection:
            return _select(connection, _owned(scope, exactly=exactly), meets, with_turns=with_turns)


def _select(connection: Connection, owned: Any, meets: Condition | None, *, with_turns: bool) -> Selection:
    passes = functools.cache(lambda stored: meets is None or meets(json.loads(stored)))
    mine = select(scopes.c.id).where(owned)
    active = memories.c.scope_id.in_(mine) & (memories.c.state == MemoryState.ACTIVE)
    said = _rows(connection, turns, turns.c.scope_id.in_(mine), meets) if with_turns or meets else []
    found = {key: seq for key, seq, stored in said if passes(stored)}
    supported: set[str] = set()
    if meets:
        links = select(evidence.c.memory_id, evidence.c.turn_id).join(memories, memories.c.id == evidence.c.memory_id)
        links = links.where(active, evidence.c.version == memories.c.version)
        supported = {memory_id for memory_id, turn_id in connection.execute(links) if turn_id in found}
    known = _rows(connection, memories, active, meets)
    kept = {key: seq for key, seq, stored in known if key in supported or passes(stored)}
    for turn_id in connection.execute(select(turns.c.id).where(turns.c.scope_id.in_(mine), is_withheld())).scalars():
        found.pop(turn_id, None)
    return Selection(kept, found)


def _owned(scope: Scope, *, exactly: bool) -> Any:
    if not exactly:
        return readable_by(scope)
    mine = (scopes.c.user_id == scope.user_id) & (scopes.c.agent_id == (scope.agent_id or ""))
    return mine & (scopes.c.run_id == (scope.run_id or ""))


def _rows(connection: Connection, table: Any, condition: Any, meets: Condition | None) -> list[tuple[str, int, str]]:
    """Return the id, the row number and, if needed, the metadata of rows: as text, so that equal ones are parsed once."""
    stored = cast(table.c.metadata, Text) if meets else cast("", Text)
    rows = connection.execute(select(table.c.id, table.c.seq, stored).where(condition).order_by(table.c.seq))
    return [(row[0], row[1], row[2]) for row in rows]
