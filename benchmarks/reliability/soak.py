"""Thousands of mixed operations in one process: memory and open files must not grow.

The process has one allocator arena. With the usual one for each thread, what threads gave back stays resident, a little more
for every new thread until there are eight for each core, and hides a leak or looks like one.

Run: `python -m benchmarks.reliability.soak --operations 5000`.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from benchmarks.reliability.concurrency import Worker, open_files
from benchmarks.reliability.double import open_memory

PARTS = 10
# Growth allowed from the second part to the last; the first one still imports and fills caches.
GROWTH = 1.15  # resident memory, as a factor
MORE_FILES = 4


def run(folder: Path, operations: int) -> dict[str, Any]:
    """Run in a process of its own."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.reliability.soak",
        "--operations",
        str(operations),
        "--scratch",
        str(folder),
    ]
    environment = os.environ | {"MALLOC_ARENA_MAX": "1"}
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, env=environment).stdout)


def work(folder: Path, operations: int, *, threads: int = 4) -> dict[str, Any]:
    """Work in parts, and measure after each."""
    share = -(-operations // (PARTS * threads))
    resident, files, failed, done = [], [], [], 0
    with open_memory(folder) as memory:
        for part in range(PARTS):
            crew = [Worker(f"s{part}w{number}", part, share) for number in range(threads)]
            running = [threading.Thread(target=worker.work, args=(memory,)) for worker in crew]
            for thread in running:
                thread.start()
            for thread in running:
                thread.join()
            memory.flush()
            memory.reset()  # what is kept may grow; what is left behind may not
            memory.engine.calls.clear()  # type: ignore[attr-defined]  # the double notes what it was asked
            done += sum(worker.done.total() for worker in crew)
            failed += [what for worker in crew for what in worker.failed]
            gc.collect()
            resident.append(_resident_mb())
            files.append(open_files())
    grown = resident[-1] > GROWTH * resident[1] or files[-1] > files[1] + MORE_FILES
    broken = failed[:20] + ([f"it grows: {resident} MB, {files} files"] if grown else [])
    return {"operations": done, "resident MB": resident, "open files": files, "broken": broken}


def _resident_mb() -> int:
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) // 1024 for line in status.splitlines() if line.startswith("VmRSS"))


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--operations", type=int, default=2000)
    parser.add_argument("--scratch", type=Path, default=None)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.scratch) as folder:
        print(json.dumps(work(Path(folder), options.operations)))


if __name__ == "__main__":
    main()
