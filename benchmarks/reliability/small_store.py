"""A store of three messages for fault injection, and the check of its contents."""

from __future__ import annotations

import shutil
from pathlib import Path

from benchmarks.reliability.double import open_memory
from benchmarks.reliability.truth import Deed, broken, untrue_history
from langchain_memlora import MemLoRAMemory
from langchain_memlora.errors import MemLoRAError
from langchain_memlora.types import Scope

SAID = ("I keep bees", "I live in Porto", "I met Bruno")
KEPT = ["User keep bees", "User live in Porto", "User met Bruno"]


def store(folder: Path) -> None:
    """Make the store and close it."""
    with open_memory(folder / "store") as memory:
        say(memory, SAID)


def say(memory: MemLoRAMemory, texts: tuple[str, ...]) -> None:
    """Add each text as a message with its number as id."""
    for number, text in enumerate(texts):
        memory.add([{"role": "user", "content": text, "id": str(number)}], user_id="ana")


def crash(folder: Path) -> None:
    """Leave the store as after a crash, by copying its files while it is open."""
    with open_memory(folder / "alive") as memory:
        say(memory, SAID)
        shutil.copytree(folder / "alive", folder / "store", ignore=shutil.ignore_patterns("owner.lock"))


def say_until_refused(memory: MemLoRAMemory) -> list[Deed]:
    """Add long messages until one fails; return each with its outcome."""
    deeds: list[Deed] = []
    for number in range(200):
        deed = {"verb": "add", "user": "ben", "messages": [f"long-{number}"], "acknowledged": False, "error": ""}
        deeds.append(deed)
        message = {"role": "user", "content": f"I keep long-{number} " + "x" * 5000, "id": f"long-{number}"}
        try:
            memory.add([message], user_id="ben", infer=False)
        except MemLoRAError as error:
            deed["error"] = str(error)
            break
        deed["acknowledged"] = True
    return deeds


def intact(
    folder: Path, deeds: list[Deed] | None = None, *, more: list[str] | None = None, verbatim: bool = False
) -> list[str]:
    """Open again and check that all acknowledged messages are stored and found, and that ledger and index agree."""
    with open_memory(folder / "store") as memory:
        kept = [m.text for m in memory.get_all(user_id="ana")]
        wanted = [*KEPT, *(more or [])]
        if verbatim:
            wanted[2] = SAID[2]
        wrong = [] if kept == wanted else [f"kept {kept}"]
        hits = memory.search("Porto", user_id="ana")
        wrong += [] if hits and hits[0].memory else ["nothing is found"]
        said = {"verb": "add", "user": "ana", "messages": [str(i) for i in range(len(SAID))], "acknowledged": True}
        said["messages"] += ["room"] if more else []
        users = sorted({"ana", "ben"})
        if memory.ledger.all_turns(Scope("ben")) and not deeds:
            return wrong
        return wrong + broken(memory, [_single(said, key) for key in said["messages"]] + (deeds or []), users)


def _single(deed: Deed, key: str) -> Deed:
    return {**deed, "messages": [key]}


def history_errors(memory: MemLoRAMemory) -> list[str]:
    """Return the errors of the history."""
    return list(untrue_history(memory, memory.history(user_id="ana"), Scope("ana")))
