"""Promises that must hold whenever a memory is opened again, given the operations begun and acknowledged before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import text

from langchain_memlora import MemLoRAMemory
from langchain_memlora.indexes.base import Kind, entry_id
from langchain_memlora.types import Event, MemoryState, Operation, Scope

Deed = dict[str, Any]


def broken(memory: MemLoRAMemory, deeds: Sequence[Deed], users: Sequence[str], *, exact: bool = True) -> list[str]:
    """Describe every promise that does not hold.

    Args:
        deeds: Operations begun, in order, with `acknowledged` set on those that returned.
        exact: The experts extract exactly one fact a message (a real model does not).
    """
    memory.flush()
    memory.services.index().catch_up()
    wrong = [f"ledger is damaged: {row}" for row in memory.ledger.check()]
    wrong += [f"job {job.id} is {job.status}: {job.error}" for job in memory.ledger.jobs("pending", "failed") if exact]
    for user in users:
        mine = [deed for deed in deeds if deed["user"] == user]
        wrong += [f"{user}: {what}" for what in _broken_for(memory, mine, Scope(user), exact=exact)]
    return wrong + list(_disagreements(memory, users))


def _broken_for(memory: MemLoRAMemory, deeds: list[Deed], scope: Scope, *, exact: bool) -> Iterator[str]:
    deeds, unsure = _since_forgotten(deeds)
    turns = memory.ledger.all_turns(scope, withheld=True)
    there = Counter(turn.message_id for turn in turns)
    operations = memory.history(user_id=scope.user_id)
    if unsure and not turns and not operations:
        return  # the interrupted erasure happened: whole
    begun = {message: deed for deed in deeds if deed["verb"] == "add" for message in deed["messages"]}
    yield from (f"message {m} is there {count} times" for m, count in there.items() if count > 1)
    yield from (f"message {m} was never said" for m in there if m not in begun)
    for deed in deeds:
        if deed["verb"] == "add":
            stored = sum(message in there for message in deed["messages"])
            if deed["acknowledged"] and stored < len(deed["messages"]):
                yield f"acknowledged messages are missing: {deed}"
            if 0 < stored < len(deed["messages"]):
                yield f"half an add is there: {deed}"
    decided = Counter((op.turn_id, op.fact) for op in operations if op.turn_id)
    yield from (f"decided {count} times: {what}" for what, count in decided.items() if count > 1)
    if exact:
        decided = Counter(op.turn_id for op in operations if op.turn_id)
        yield from (f"turn {t.message_id} was decided {decided[t.id]} times" for t in turns if decided[t.id] != 1)
    yield from _by_hand(deeds, operations)
    yield from untrue_history(memory, operations, scope)


def _since_forgotten(deeds: list[Deed]) -> tuple[list[Deed], bool]:
    """Return the operations after the last acknowledged erasure, and whether another one was interrupted since."""
    last = max((i for i, d in enumerate(deeds) if d["verb"] == "forget" and d["acknowledged"]), default=-1)
    deeds = deeds[last + 1 :]
    return deeds, any(deed["verb"] == "forget" for deed in deeds)


def _by_hand(deeds: list[Deed], operations: Sequence[Operation]) -> Iterator[str]:
    """Check that each manual change is in the history once if acknowledged, at most once if interrupted."""
    for verb in ("update", "delete", "restore"):
        wanted = Counter((d["memory"], d.get("text")) for d in deeds if d["verb"] == verb and d["acknowledged"])
        allowed = Counter((d["memory"], d.get("text")) for d in deeds if d["verb"] == verb)
        found = Counter((op.memory_id, op.after if verb == "update" else None) for op in operations if op.by == verb)
        yield from (f"{verb} of {key} was lost" for key in wanted if found[key] < wanted[key])
        yield from (f"{verb} of {key} was doubled" for key in found if found[key] > allowed[key])


def untrue_history(memory: MemLoRAMemory, operations: Sequence[Operation], scope: Scope) -> Iterator[str]:
    """Check that the operations, replayed from nothing, result in the memories."""
    replayed: dict[str, str | None] = {}
    last: dict[str, str] = {}
    for op in operations:
        key = str(op.memory_id)
        if op.memory_id is None:  # of a message
            continue
        if op.event is Event.DELETE:
            replayed[key] = None
        elif op.event is not Event.NONE:
            if op.event is Event.UPDATE and op.before != replayed.get(key):
                yield f"history says {key} was {op.before!r} before, it was {replayed.get(key)!r}"
            replayed[key] = last[key] = str(op.after)
    everything = memory.get_all(user_id=scope.user_id, deleted=True)
    real = {m.id: m.text if m.state is MemoryState.ACTIVE else None for m in everything}
    if real != replayed:
        yield f"history results in {replayed}, there is {real}"
    if any(last[m.id] != m.text for m in everything if m.id in last):
        yield "a tombstone says something else than its history"


def _disagreements(memory: MemLoRAMemory, users: Sequence[str]) -> Iterator[str]:
    """Check that index and full-text search have exactly the ledger's entries."""
    memories = [m.id for user in users for m in memory.get_all(user_id=user)]
    turns = [t.id for user in users for t in memory.ledger.all_turns(Scope(user))]
    wanted = {(Kind.MEMORY, i) for i in memories} | {(kind, i) for i in turns for kind in (Kind.TURN, Kind.WINDOW)}
    store = memory.services.index().index.store  # type: ignore[attr-defined]
    indexed = set(store.get(include=[])["ids"])
    if difference := indexed ^ {entry_id(kind, item) for kind, item in wanted}:
        yield f"index and ledger differ in {sorted(difference)}"
    with memory.ledger.database.reading() as connection:
        rows = connection.execute(text("SELECT rowid, item_id FROM lexical")).all()
    words = Counter(((Kind.MEMORY, Kind.TURN, Kind.WINDOW)[row.rowid % 3], row.item_id) for row in rows)
    if words != Counter(wanted):
        yield f"full-text search and ledger differ in {sorted(set(words) ^ wanted)}"


def files_with(secret: str, folder: Path) -> list[str]:
    """Return the files below a folder that contain some bytes."""
    return [str(file) for file in folder.rglob("*") if file.is_file() and secret.encode() in file.read_bytes()]
