"""One life of a process that uses a memory: it opens, checks all promises, and works until it is killed.

Each operation is journalled before it starts and after it was acknowledged. The journal is a plain file
beside the store, written with `os.write`: it outlives the process.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.reliability.double import open_memory
from benchmarks.reliability.truth import Deed, broken, files_with
from langchain_memlora import MemLoRAMemory
from langchain_memlora.errors import NotFoundError
from langchain_memlora.types import MemoryState, Scope

USERS = ("ana@example.org", "bén", "c' OR 1=1")
VERBS = ("add", "background", "verbatim", "update", "delete", "restore", "search", "forget")
Say = Callable[[str], None]
WEIGHTS = (25, 25, 10, 12, 8, 8, 8, 4)


class Journal:
    """Operations begun and operations acknowledged, one JSON line each."""

    def __init__(self, file: Path) -> None:
        self._out = os.open(file, os.O_APPEND | os.O_CREAT | os.O_WRONLY)
        self.deeds: list[Deed] = []
        for line in file.read_text().splitlines():
            entry = json.loads(line)
            if "done" in entry:
                self.deeds[entry["done"]]["acknowledged"] = True
            elif "void" in entry:
                self.deeds[entry["void"]]["verb"] = "void"
            else:
                self.deeds.append(entry)

    def begin(self, **deed: Any) -> int:
        """Record an operation that is about to start."""
        self._write({**deed, "acknowledged": False})
        self.deeds.append({**deed, "acknowledged": False})
        return len(self.deeds) - 1

    def done(self, number: int) -> None:
        """Record that it was acknowledged."""
        self._write({"done": number})
        self.deeds[number]["acknowledged"] = True

    def settle(self, memory: MemLoRAMemory) -> None:
        """Record for each interrupted erasure whether it happened: messages added later look the same."""
        for number, deed in enumerate(self.deeds):
            if deed["verb"] == "forget" and not deed["acknowledged"]:
                user = deed["user"]
                if memory.history(user_id=user) or memory.ledger.all_turns(Scope(user)):
                    self._write({"void": number})
                    deed["verb"] = "void"
                else:
                    self.done(number)

    def _write(self, entry: dict[str, Any]) -> None:
        os.write(self._out, (json.dumps(entry) + "\n").encode())


def live(folder: Path, seed: int, say: Say, *, deeds: int, real: bool = False) -> list[str]:
    """Open, check, and do operations; yield the promises that were broken when it opened.

    Args:
        say: Called with "ready" after the check, and with "done" after each operation.
        real: With the real model, the shipped experts and the default embedder.
    """
    journal = Journal(folder / "journal")
    rng = random.Random(seed)
    with (MemLoRAMemory if real else open_memory)(path=folder / "store") as memory:
        wrong = broken(memory, journal.deeds, USERS, exact=not real)
        wrong += _not_forgotten(journal, folder / "store")
        if not wrong:
            journal.settle(memory)
            say("ready")
            for _ in range(deeds):
                act(memory, journal, rng, rng.choices(VERBS, WEIGHTS)[0])
                say("done")
    return wrong


def act(memory: MemLoRAMemory, journal: Journal, rng: random.Random, verb: str) -> None:
    """Do one operation of one user."""
    user = rng.choice(USERS)
    if verb in {"add", "background", "verbatim"}:
        _say(memory, journal, rng, user, verb)
    elif verb == "search":
        memory.search("What does user keep?", user_id=user)
    elif verb == "forget":
        number = journal.begin(verb=verb, user=user)
        memory.forget(user_id=user)
        journal.done(number)
    else:
        _change(memory, journal, rng, user, verb)


def _say(memory: MemLoRAMemory, journal: Journal, rng: random.Random, user: str, verb: str) -> None:
    start = len(journal.deeds)
    ids = [f"m{start}-{i}" for i in range(rng.randint(1, 6))]
    texts = [rng.choice(("I keep item-", "I live in place-", "I met friend-")) + f"{_token(user)}-{i}" for i in ids]
    number = journal.begin(verb="add", user=user, messages=ids)
    memory.add(
        [{"role": "user", "content": text, "id": i} for i, text in zip(ids, texts, strict=True)],
        user_id=user,
        infer=verb != "verbatim",
        background=verb == "background",
    )
    journal.done(number)


def _change(memory: MemLoRAMemory, journal: Journal, rng: random.Random, user: str, verb: str) -> None:
    there = memory.get_all(user_id=user, deleted=verb == "restore")
    if verb == "restore":
        there = [m for m in there if m.state is MemoryState.DELETED or m.revision > 1]
    if not there:
        return
    chosen = rng.choice(there).id
    text = f"User renamed it to {_token(user)}-{len(journal.deeds)}" if verb == "update" else None
    number = journal.begin(verb=verb, user=user, memory=chosen, text=text)
    try:
        if text:
            memory.update(chosen, text, user_id=user)
        else:
            getattr(memory, verb)(chosen, user_id=user)
    except NotFoundError:
        return  # nothing to undo, or the background has just deleted it
    journal.done(number)


def _token(user: str) -> str:
    return f"secret{USERS.index(user)}x"


def _not_forgotten(journal: Journal, store: Path) -> list[str]:
    """Return files with users that were forgotten and have added nothing since."""
    last = {deed["user"]: deed for deed in journal.deeds if deed["verb"] in {"add", "forget"}}
    gone = [user for user, deed in last.items() if deed["verb"] == "forget" and deed["acknowledged"]]
    return [f"{user} is still in {file}" for user in gone for file in files_with(_token(user), store)]
