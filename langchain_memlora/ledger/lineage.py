"""The details that a memory has stated: those of its text, and of the earlier texts that news replaced."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, pairwise
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, select

from langchain_memlora.ledger.details import Detail, detail_of
from langchain_memlora.ledger.rows import MEMORY, chunks, readable_by
from langchain_memlora.ledger.schema import evidence, memories, operations, scopes, turns, withheld
from langchain_memlora.types import Event, MemoryState, Scope

_QUOTED = re.compile(r'(?<!\S)[^\s":][^":\n]*: "')
_PARTS = ("split", "withhold")
"""Makers of an update that keeps a part of the text before it: the rest is still said elsewhere, or was withheld."""


def details_of(connection: Connection, memory_ids: Sequence[str]) -> dict[str, tuple[Detail, ...]]:
    """Return the details of each memory."""
    found: dict[str, tuple[Detail, ...]] = dict.fromkeys(memory_ids, ())
    for part in chunks(list(found)):
        speakers: dict[str, set[str]] = {}
        links = select(evidence.c.memory_id, turns.c.speaker).join(turns, turns.c.id == evidence.c.turn_id).distinct()
        named = links.where(evidence.c.memory_id.in_(part), turns.c.speaker.is_not(None))
        for memory_id, speaker in connection.execute(named):
            speakers.setdefault(memory_id, set()).add(speaker)
        query = select(operations).where(
            operations.c.memory_id.in_(part), operations.c.event.in_((Event.ADD, Event.UPDATE))
        )
        rows = connection.execute(query.order_by(operations.c.memory_id, operations.c.seq))
        for memory_id, history in groupby(rows, attrgetter("memory_id")):
            names = tuple(sorted(speakers.get(memory_id, ())))
            found[memory_id] = tuple(detail_of(text, names) for text in dict.fromkeys(_texts(history)))
    return found


def _texts(history: Iterable[Any]) -> Iterator[str]:
    """Yield the texts of a memory that were replaced by others, and its current one."""
    stack: list[Any] = []
    for row in history:
        if row.made_by != "restore":
            stack.append(row)
        elif row.event == Event.UPDATE:
            stack.pop()
    kept = [row for row, later in pairwise(stack) if later.made_by not in _PARTS] + stack[-1:]
    yield from (without_earlier(row.after, (row.said or {}).get("asked", "")) for row in kept)


def without_earlier(text: str, asked: str) -> str:
    """Return a text without the first of two messages that it quotes before its own words: that one states something else."""
    quotations = list(_QUOTED.finditer(asked))
    return text[quotations[-1].start() :] if len(quotations) > 1 and text.startswith(asked) else text


def standing_details(connection: Connection, scope: Scope) -> dict[str, tuple[Detail, ...]]:
    """Return the details of the deleted memories that reach a scope, without those that only repeat another one."""
    reaching = readable_by(Scope(scope.user_id, scope.agent_id or "", scope.run_id or ""))
    repeating = select(withheld.c.item_id).where(withheld.c.kind == MEMORY)
    query = select(memories.c.id).join(scopes).where(reaching, memories.c.id.not_in(repeating))
    deleted = connection.execute(query.where(memories.c.state == MemoryState.DELETED)).scalars().all()
    return details_of(connection, deleted)
