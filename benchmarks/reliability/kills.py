"""SIGKILL, at random moments and at every fault point, repeatedly on the same store.

Children are forked from a process that has imported everything and opened nothing, so a life costs a fraction of a second.
Each life first checks what the ones before it left behind. Run: `python -m benchmarks.reliability.kills --random 200`.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import os
import random
import shutil
import signal
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from benchmarks.reliability import points
from benchmarks.reliability.double import open_memory, plain_bundle
from benchmarks.reliability.life import Journal, act, live

LIVES_A_STORE = 25
DEEDS = 60
SCRIPT = ("add", "background", "verbatim", "update", "delete", "restore", "add", "forget", "add")


@dataclass(frozen=True)
class KillTime:
    """Time of a kill: `seconds` after the child has written `lines` lines."""

    lines: int
    seconds: float


def random_kills(
    count: int, seed: int, scratch: Path, *, seconds: float = math.inf, real: bool = False
) -> dict[str, Any]:
    """Kill children at random moments: most at work, after some operations, and some while they open and recover."""
    end = time.monotonic() + seconds
    rng = random.Random(seed)
    killed = verified = deeds = acknowledged = lives = 0
    broken: list[str] = []
    last = False
    while killed < count and not broken and not last:
        last = killed + 1 == count or time.monotonic() > end
        folder = scratch / f"store-{lives // LIVES_A_STORE}"
        folder.mkdir(exist_ok=True)
        lines = 0 if rng.random() < 0.2 else rng.randint(1, 3 if real else 25)
        doom = KillTime(lines, rng.uniform(0, (20.0 if real else 0.5) if lines == 0 else (5.0 if real else 0.05)))
        outcome = _life(folder, seed + lives, doom, real=real)
        killed += outcome["killed"]
        verified += outcome["ready"]
        broken += outcome["broken"]
        lives += 1
        if lives % LIVES_A_STORE == 0 or last or broken:
            broken += _life(folder, 0, None, real=real)["broken"]
            journal = Journal(folder / "journal").deeds
            deeds += len(journal)
            acknowledged += sum(deed["acknowledged"] for deed in journal)
            if not broken:
                shutil.rmtree(folder)
    return {
        "kills": killed,
        "recoveries checked": verified,
        "deeds begun": deeds,
        "deeds acknowledged": acknowledged,
        "broken": broken,
    }


def point_kills(scratch: Path, *, every: int = 1, first: int = 1, seconds: float = math.inf) -> dict[str, Any]:
    """Kill a child at each fault point of a script that uses every verb, then check what it left."""
    end = time.monotonic() + seconds
    names = _names(scratch)
    broken: list[str] = []
    kills: Counter[str] = Counter()
    for number in range(first, len(names) + 1, every):
        if time.monotonic() > end:
            break
        folder = scratch / "point"
        folder.mkdir()
        outcome = _forked(functools.partial(_script, folder, number), folder)
        if outcome == -signal.SIGKILL:
            kills[names[number - 1]] += 1
            after = _life(folder, 0, None)
            broken += [f"after point {number} ({names[number - 1]}): {what}" for what in after["broken"]]
        else:
            broken.append(f"point {number} of {len(names)} was not reached (exit {outcome})")
        shutil.rmtree(folder)
    return {
        "fault points": len(names),
        "kills": kills.total(),
        "kinds": dict(sorted(kills.items())),
        "broken": broken,
    }


def _names(scratch: Path) -> list[str]:
    """Return the fault points that the script passes."""
    folder = scratch / "names"
    folder.mkdir()
    passed = folder / "passed"

    def run() -> None:
        with passed.open("w") as out:
            points.install(lambda name: print(name, file=out, flush=True))
            _play(folder)

    assert _forked(run, folder) == 0, (folder / "stderr").read_text()
    names = passed.read_text().splitlines()
    shutil.rmtree(folder)
    return names


def _script(folder: Path, number: int) -> None:
    left = number

    def passing(name: str) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    points.install(passing)
    _play(folder)


def _play(folder: Path) -> None:
    """Use every verb in a short life; wait for the background, so that its points come in order."""
    journal = Journal(folder / "journal")
    with open_memory(folder / "store") as memory:
        for verb in SCRIPT:
            act(memory, journal, random.Random(7), verb)  # always the same user: each verb has something to work on
            memory.flush()


def _life(folder: Path, seed: int, doom: KillTime | None, *, real: bool = False) -> dict[str, Any]:
    """Run one child; return how it ended."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)

        def say(what: str) -> None:
            os.write(writing, what.encode() + b"\n")

        def whole() -> None:
            for what in live(folder, seed, say, deeds=DEEDS if doom else 0, real=real):
                say(json.dumps(what))

        _quietly(whole, folder / "stderr")
    os.close(writing)
    with os.fdopen(reading) as pipe:
        lines = []
        if doom:
            lines = [line for line, _ in zip(pipe, range(doom.lines), strict=False)]
            time.sleep(doom.seconds)
            os.kill(pid, signal.SIGKILL)
        lines += pipe
    _, status = os.waitpid(pid, 0)
    killed = os.WIFSIGNALED(status)
    broken = [json.loads(line) for line in lines if line.startswith('"')]
    if not killed and os.WEXITSTATUS(status):
        broken.append(f"a life ended by itself: {(folder / 'stderr').read_text()[-2000:]}")
    return {"killed": killed, "ready": "ready\n" in lines, "broken": broken}


def _forked(work: Callable[[], None], folder: Path) -> int:
    """Run a function in a child; return its exit code, or the negative number of the signal that ended it."""
    pid = os.fork()
    if pid == 0:
        _quietly(work, folder / "stderr")
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def _quietly(work: Callable[[], None], complaints: Path) -> NoReturn:
    """Run a function to the end of the process: none of the parent's code may follow in a child."""
    code = 0
    try:
        work()
    except BaseException:
        complaints.write_text(traceback.format_exc())
        code = 1
    os._exit(code)


def import_everything(real: bool = False) -> None:
    """Import what children need, once. Open nothing: threads and files do not survive a fork."""
    import chromadb.api.rust  # noqa: F401
    import langchain_chroma  # noqa: F401

    plain_bundle()
    if real:
        import onnxruntime  # noqa: F401
        import tokenizers  # noqa: F401

        import langchain_memlora.engines.transformers  # noqa: F401


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--random", type=int, default=0, help="kills at random moments")
    parser.add_argument("--real", type=int, default=0, help="the same with the real model")
    parser.add_argument("--every", type=int, default=0, help="kill at every N-th fault point; 0: at none")
    parser.add_argument("--first", type=int, default=1, help="the first of these points")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=math.inf, help="stop both after this many seconds")
    parser.add_argument(
        "--scratch", type=Path, default=None, help="where stores are made; default: the temporary folder"
    )
    options = parser.parse_args()
    import_everything(bool(options.real))
    start = time.perf_counter()
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
        if options.random:
            found["random"] = random_kills(options.random, options.seed, Path(scratch), seconds=options.seconds)
        if options.real:
            found["real"] = random_kills(options.real, options.seed, Path(scratch), seconds=options.seconds, real=True)
        if options.every:
            found["points"] = point_kills(
                Path(scratch), every=options.every, first=options.first, seconds=options.seconds
            )
    print(json.dumps({**found, "seconds": round(time.perf_counter() - start)}, indent=1))


if __name__ == "__main__":
    main()
