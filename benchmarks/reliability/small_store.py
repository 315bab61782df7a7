"""A store of three messages to break: how it is made, and what must be in it afterwards."""

from __future__ import annotations

import contextlib
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from benchmarks.reliability.double import open_memory
from benchmarks.reliability.truth import Deed, broken, untrue_history
from langchain_memlora import MemLoRAMemory
from langchain_memlora.errors import MemLoRAError
from langchain_memlora.types import Scope

SAID = ("I keep bees", "I live in Porto", "I met Bruno")
KEPT = ["User keep bees", "User live in Porto", "User met Bruno"]


class CannotBeInjectedError(Exception):
    """This machine does not allow this fault."""


def store(folder: Path) -> None:
    """Make the store and close it."""
    with open_memory(folder / "store") as memory:
        say(memory, SAID)


def say(memory: MemLoRAMemory, texts: tuple[str, ...]) -> None:
    """Add each text as a message with its number as id."""
    for number, text in enumerate(texts):
        memory.add([{"role": "user", "content": text, "id": str(number)}], user_id="ana")


def crash(folder: Path) -> None:
    """What the disk holds when a process with this store dies: its files are copied while it lives."""
    with open_memory(folder / "alive") as memory:
        say(memory, SAID)
        shutil.copytree(folder / "alive", folder / "store", ignore=shutil.ignore_patterns("owner.lock"))


def say_until_refused(memory: MemLoRAMemory) -> list[Deed]:
    """Add long messages until one fails; each with what came of it."""
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
    """Open again: all that was acknowledged is there, found, and agreed on by ledger and index."""
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


def history_is_true(memory: MemLoRAMemory) -> list[str]:
    """What the history tells wrongly; it is empty where all is well."""
    return list(untrue_history(memory, memory.history(user_id="ana"), Scope("ana")))


def overwrite(file: Path, pages: range) -> None:
    """Put random bytes in place of pages."""
    content = bytearray(file.read_bytes())
    for page in pages:
        if (page + 1) * 4096 <= len(content):
            content[page * 4096 : (page + 1) * 4096] = random.Random(page).randbytes(4096)
    file.write_bytes(content)


@contextlib.contextmanager
def small_disk(folder: Path, *, megabytes: int) -> Iterator[Path]:
    """A disk of its own, in memory."""
    mount("-t", "tmpfs", "-o", f"size={megabytes}m", "none", str(folder))
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def mount(*arguments: str) -> None:
    """Mount, or say that it can not be done here."""
    try:
        subprocess.run(["mount", *arguments], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise CannotBeInjectedError("this user may not mount") from error
