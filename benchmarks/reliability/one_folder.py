"""One folder, many processes: random operations in several processes on one embedded store, while its owner is killed.

This process decides what the others do, and so knows what was acknowledged when. A read that begins after an acknowledgement in
another process and does not show what was acknowledged is stale. Afterwards the same promises are checked as after a kill.
Run: `python -m benchmarks.reliability.one_folder --operations 2000 --kills 20`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import random
import shutil
import tempfile
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from benchmarks.reliability.double import open_memory
from benchmarks.reliability.peers import Peer
from benchmarks.reliability.truth import Deed, broken
from langchain_memlora.errors import NotFoundError
from langchain_memlora.types import Memory

A_STORE = 1000  # operations until a new folder is used: the growth of one is measured elsewhere
TURNOVER = 60  # operations until the users change, so that each stays small
RECENT = 20
WEIGHTS = {
    "add": 12,
    "background": 9,
    "verbatim": 8,
    "watched": 14,
    "look": 28,
    "update": 6,
    "delete": 4,
    "restore": 4,
    "search": 8,
    "history": 4,
    "own": 2,
    "forget": 1,
}


@dataclass
class Place:
    """A process, what it is doing, and the user that only it writes to."""

    number: int
    peer: Peer
    lives: int = 0
    verb: str = ""
    deed: Deed | None = None
    looked_for: str = ""

    @property
    def own_user(self) -> str:
        """The user that this life of the process may forget: the order of its operations is known."""
        return f"own-{self.number}-{self.lives}"


@dataclass
class Run:
    """One store, the processes on it, and what they have done."""

    folder: Path
    rng: random.Random
    deeds: list[Deed] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    stale: int = 0
    kills: int = 0
    known: dict[str, list[Memory]] = field(default_factory=dict)
    recent: deque[tuple[int, str, str, str]] = field(default_factory=lambda: deque(maxlen=RECENT))
    begun: int = 0

    @property
    def operations(self) -> int:
        """The number of operations that were begun."""
        return self.begun

    def start(self, place: Place) -> None:
        """Let a process begin a random operation."""
        self.begun += 1
        place.deed, place.looked_for = None, ""
        place.verb = self.rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        user = f"user-{self.begun // TURNOVER}-{self.rng.randrange(3)}"
        key = f"{place.number}x{self.begun}"
        match place.verb:
            case "add" | "background" | "verbatim":
                self._say(place, user, key, infer=place.verb != "verbatim", background=place.verb == "background")
            case "watched":  # of these users nothing is changed, so all that was acknowledged must be found
                self._say(place, f"watched-{self.begun // TURNOVER}", key, infer=self.rng.random() < 0.5)
            case "own":
                self._say(place, place.own_user, key)
            case "forget":
                self._begin(place, verb="forget", user=place.own_user)
                place.peer.begin("forget", user_id=place.own_user)
            case "look":
                others = [said for said in self.recent if said[0] != place.number]
                if others:
                    _, user, text, place.looked_for = self.rng.choice(others)
                    place.peer.begin("sees", user, text, place.looked_for)
                else:
                    place.peer.begin("get_all", user_id=user)
            case "update" | "delete" | "restore" if there := self.known.get(user):
                chosen = self.rng.choice(there).id
                words = (f"User renamed it {key}",) if place.verb == "update" else ()
                self._begin(place, verb=place.verb, user=user, memory=chosen, text=words[0] if words else None)
                place.peer.begin(place.verb, chosen, *words, user_id=user)
            case "search":
                place.peer.begin("search", "What does user keep?", user_id=user)
            case "history":
                place.peer.begin("history", user_id=user)
            case _:
                place.verb, place.deed = "get_all", {"verb": "get_all", "user": user}
                place.peer.begin("get_all", user_id=user, deleted=True)

    def finish(self, place: Place) -> None:
        """Judge what a process answered."""
        try:
            value = place.peer.result()
        except NotFoundError:
            value = None  # another process was faster
        except Exception as error:
            self.wrong.append(f"{place.verb} in process {place.number}: {type(error).__name__}: {error}")
            value = None
        else:
            self._acknowledge(place, value)
        self.done[place.verb] += 1
        place.verb = ""

    def kill(self, place: Place, command: Any) -> None:
        """Kill a process in whatever it is doing, and start another in its place."""
        place.peer.kill()
        self.kills += 1
        place.lives += 1
        place.verb, place.deed, place.peer = "", None, command(self.folder / "store")

    def _say(self, place: Place, user: str, key: str, **options: Any) -> None:
        text = f"{self.rng.choice(('I keep', 'I live in'))} thing-{key} of {user}"
        self._begin(place, verb="add", user=user, messages=[key], text=text)
        place.peer.begin("add", [{"role": "user", "content": text, "id": key}], user_id=user, **options)

    def _begin(self, place: Place, **deed: Any) -> None:
        place.deed = {**deed, "acknowledged": False}
        self.deeds.append(place.deed)

    def _acknowledge(self, place: Place, value: Any) -> None:
        deed = place.deed
        if place.looked_for and value:
            self.stale += 1
            self.wrong.append(f"process {place.number} does not find {place.looked_for} by {value}: {place.peer.owner}")
        if deed is None:
            return
        if deed["verb"] == "get_all":
            self.known[deed["user"]] = value
            return
        deed["acknowledged"] = True
        if deed["verb"] == "add" and deed["user"].startswith("watched"):
            self.recent.append((place.number, deed["user"], deed["text"], deed["messages"][0]))
        if deed["verb"] == "forget":
            for file in _files_with(f"of {deed['user']}", self.folder / "store"):
                self.wrong.append(f"{deed['user']} was forgotten and is still in {file}")


def in_one_folder(
    operations: int, seed: int, folder: Path, *, processes: int = 4, kills: int | None = None
) -> dict[str, Any]:
    """Run several processes on one embedded store, and kill its owner now and then; return the counts.

    Args:
        kills: Number of kills; one for 200 operations if not given.
    """
    folder.mkdir(exist_ok=True)
    run = Run(folder, random.Random(seed))
    kills = operations // 200 if kills is None else kills
    places = [Place(number, Peer(folder / "store")) for number in range(processes)]
    try:
        while run.begun < operations:
            for place in places:
                if not place.verb:
                    run.start(place)
            if run.kills < kills and run.begun >= (run.kills + 1) * operations / (kills + 1):
                _kill_owner(run, places)
            _finish_ready(run, [place for place in places if place.verb], block=True)
        while busy := [place for place in places if place.verb]:
            _finish_ready(run, busy, block=True)
        if run.rng.random() < 0.5:  # those that close, close in order; others leave everything to the next opening
            for place in places:
                place.peer.close()
    finally:
        for place in places:
            place.peer.kill()
    users = sorted({deed["user"] for deed in run.deeds})
    with open_memory(folder / "store") as memory:
        wrong = run.wrong + broken(memory, run.deeds, users)
    return {
        "operations": run.done.total(),
        "by verb": dict(sorted(run.done.items())),
        "looks": run.done["look"],
        "stale": run.stale,
        "kills": run.kills,
        "broken": wrong[:20],
        "wrong": len(wrong),
        "processes": processes,
    }


def _kill_owner(run: Run, places: Sequence[Place]) -> None:
    """Kill the owner at a random moment of its operation."""
    owners = [place for place in places if place.peer.owner]
    if owners:
        time.sleep(run.rng.uniform(0, 0.05))
        run.kill(owners[0], Peer)


def _finish_ready(run: Run, busy: Sequence[Place], *, block: bool) -> None:
    """Take the answers that are there; wait for the first one."""
    by_pipe = {place.peer.pipe: place for place in busy}
    for pipe in wait(list(by_pipe), None if block else 0):
        run.finish(by_pipe[pipe])


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--operations", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=None, help="kills of the owner; default: one for 200 operations")
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--scratch", type=Path, default=None, help="where stores are made; default: the temporary folder"
    )
    options = parser.parse_args()
    from benchmarks.reliability.pieces import added  # imports this module

    found: dict[str, Any] = {}
    start = time.perf_counter()
    stores = math.ceil(options.operations / A_STORE)
    with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
        for number in range(stores):
            size = min(A_STORE, options.operations - number * A_STORE)
            kills = None if options.kills is None else _share(options.kills, stores, number)
            piece = in_one_folder(
                size, options.seed + number, Path(scratch) / "folder", processes=options.processes, kills=kills
            )
            found = added(found, piece)
            if piece["broken"]:
                break
            shutil.rmtree(Path(scratch) / "folder")
    print(json.dumps({**found, "seconds": round(time.perf_counter() - start)}, indent=1))


def _files_with(secret: str, folder: Path) -> list[str]:
    """Return the files that contain some bytes, of those that other processes do not delete meanwhile."""
    found = []
    for where, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                if secret.encode() in Path(where, name).read_bytes():
                    found.append(str(Path(where, name)))
    return found


def _share(count: int, parts: int, number: int) -> int:
    return count * (number + 1) // parts - count * number // parts


if __name__ == "__main__":
    main()
