"""Tenant isolation: probes by odd user ids, with other users' ids, words and operators as arguments.

After each probe: nothing of another scope was returned or named, and no other user's memories have changed.
Run: `python -m benchmarks.reliability.tenants --probes 10000`.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langchain_core.vectorstores import InMemoryVectorStore
from sqlalchemy import text

from benchmarks.reliability.double import WordCounts, open_memory
from langchain_memlora import MemLoRAMemory
from langchain_memlora.errors import InvalidInputError, NotFoundError
from langchain_memlora.types import Hit, Memory, Scope, Turn

USERS = (
    *(
        "ana",
        "Ana",
        "ana ",
        "ana@example.org",
        "an",
        "ana%",
        "an_",
        "bén",
        "be\u0301n",
        "мария",
        "木村",
        "🦓",
        "\u202eana",
    ),
    *(
        "$ne",
        '{"$ne": ""}',
        "$or",
        "*ana",
        "' OR '1'='1",
        "ana' --",
        '"; DROP TABLE turns; --',
        "../ana",
        "ana/coach",
        "0",
        "None",
    ),
    *("null", "x" * 512, "x" * 511, "ana\u00a0", "ａｎａ", "o0123", "user", "default"),
)
AGENTS = (None, "coach", "chef", "ana", "")
READS = ("search", "answer", "get_all", "history", "get")
WRITES = ("update", "delete", "restore", "delete_all")
BY_ID = ("get", "history", "update", "delete", "restore")  # these name a user, whose agents' memories they all reach
FILTERS = (
    None,
    {},
    {"token": {"$ne": ""}},
    {"user_id": "ana"},
    {"$or": []},
    {"token": None},
    {"user_id": {"$in": list(USERS)}},
)
SECRET = re.compile(r"token\d+x")


@dataclass(frozen=True)
class Owned:
    """The owner of each secret word and each memory."""

    tokens: dict[str, Scope]
    ids: dict[str, Scope]


def run(probes: int, seed: int, folder: Path, *, chroma: bool = True) -> dict[str, Any]:
    """Add memories for all users, then probe."""
    rng = random.Random(seed)
    store = {} if chroma else {"index": InMemoryVectorStore(WordCounts())}
    leaks: list[str] = []
    kinds: Counter[str] = Counter()
    with open_memory(folder, **store) as memory:
        owned = _settle(memory)
        before = _fingerprints(memory)
        for number in range(probes):
            reader, verb = _reader(rng), rng.choice(READS * 3 + WRITES)
            outcome, shown = _probe(memory, rng, reader, verb, owned)
            kinds[f"{verb}: {outcome}"] += 1
            seen_as = Scope(reader.user_id) if verb in BY_ID else reader
            leaks += [f"probe {number}, {verb} by {reader}: {what}" for what in _foreign(shown, seen_as, owned)]
            if verb in WRITES:
                after = _fingerprints(memory)
                changed = {user for user in after if after[user] != before.get(user)} - {reader.user_id}
                leaks += [f"probe {number}, {verb} by {reader} changed {user!r}" for user in changed]
                before = after
                _refill(memory, owned, reader.user_id)
                before = _fingerprints(memory)
    return {"probes": probes, "outcomes": dict(sorted(kinds.items())), "broken": leaks[:20], "leaked": len(leaks)}


def _settle(memory: MemLoRAMemory) -> Owned:
    """Add similar memories for all users, each with a secret word; some with an agent."""
    owned = Owned({}, {})
    for user in USERS:
        _refill(memory, owned, user)
    return owned


def _refill(memory: MemLoRAMemory, owned: Owned, user: str) -> None:
    if memory.get_all(user_id=user):
        return
    for agent in (None, "coach"):
        token = f"token{len(owned.tokens)}x"
        added = memory.add(
            f"I live in {token}", user_id=user, agent_id=agent, metadata={"token": token}, thread_id="t", infer=False
        )
        owned.tokens[token] = Scope(user, agent)
        owned.ids[str(added.operations[0].memory_id)] = Scope(user, agent)


def _reader(rng: random.Random) -> Scope:
    return Scope(rng.choice(USERS), rng.choice(AGENTS), rng.choice((None, None, "run", "ana")))


def _probe(memory: MemLoRAMemory, rng: random.Random, reader: Scope, verb: str, owned: Owned) -> tuple[str, Any]:
    """Do one call with another user's arguments; return the outcome and all text that the reader gets."""
    scope = {"user_id": reader.user_id, "agent_id": reader.agent_id, "run_id": reader.run_id}
    key = rng.choice(list(owned.ids)) if rng.random() < 0.9 else rng.choice(("%", "*", "' OR 1=1", "memory", ""))
    query = f"live in {rng.choice(list(owned.tokens))} {rng.choice(USERS)}"
    calls: dict[str, Callable[[], Any]] = {
        "search": lambda: memory.search(
            query, k=rng.choice((1, 5, 50)), filters=rng.choice(FILTERS * 2 + (None,) * 10), **scope
        ),
        "answer": lambda: (lambda a: (a.hits, a.context.replace(query, "")))(memory.answer(query, **scope)),
        "get_all": lambda: memory.get_all(deleted=rng.random() < 0.5, **scope),
        "delete_all": lambda: memory.delete_all(**scope),
        "history": lambda: memory.history(key, user_id=reader.user_id),
        "get": lambda: memory.get(key, user_id=reader.user_id),
        "update": lambda: memory.update(key, "User was robbed", user_id=reader.user_id),
        "delete": lambda: memory.delete(key, user_id=reader.user_id),
        "restore": lambda: memory.restore(key, user_id=reader.user_id),
    }
    try:
        shown = calls[verb]()
    except NotFoundError as error:
        mine = owned.ids.get(key, Scope("")).user_id == reader.user_id
        return "deleted, or nothing to undo" if mine else "not found", str(error).replace(key, "") if key else str(
            error
        )
    except InvalidInputError as error:
        return "refused", str(error)
    return "something" if shown else "nothing", shown


def _foreign(shown: Any, reader: Scope, owned: Owned) -> Iterable[str]:
    """Return what was shown although the reader may not see it."""
    for scope in _scopes(shown):
        if not _may_see(reader, scope):
            yield f"was shown something of {scope}"
    for token in set(SECRET.findall(repr(shown))):
        if owned.tokens[token].user_id != reader.user_id:
            yield f"was shown {token} of {owned.tokens[token]}"


def _scopes(shown: Any) -> Iterable[Scope]:
    if isinstance(shown, list | tuple):
        for item in shown:
            yield from _scopes(item)
    elif isinstance(shown, Hit):
        yield from _scopes([shown.memory, *shown.turns])
    elif isinstance(shown, Memory | Turn):
        yield shown.scope


def _may_see(reader: Scope, owner: Scope) -> bool:
    """Apply the rule of the docs, implemented independently."""
    same_user = reader.user_id == owner.user_id
    agent = reader.agent_id is None or owner.agent_id is None or owner.agent_id == reader.agent_id
    run = reader.run_id is None or owner.run_id is None or owner.run_id == reader.run_id
    return same_user and agent and run


def _fingerprints(memory: MemLoRAMemory) -> dict[str, tuple[Any, ...]]:
    """Return a fingerprint of each user's memories."""
    query = """SELECT user_id, count(*), sum(m.revision), sum(m.state = 'active'), sum(length(m.text)),
        (SELECT count(*) FROM operations o JOIN scopes s ON s.id = o.scope_id WHERE s.user_id = scopes.user_id)
        FROM memories m JOIN scopes ON scopes.id = m.scope_id GROUP BY user_id"""
    with memory.ledger.database.reading() as connection:
        return {row[0]: tuple(row[1:]) for row in connection.execute(text(query))}


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--probes", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scratch", type=Path, default=None)
    options = parser.parse_args()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
        found = run(options.probes, options.seed, Path(scratch))
    print(json.dumps({**found, "seconds": round(time.perf_counter() - start)}, indent=1))


if __name__ == "__main__":
    main()
