"""Coverage-guided fuzzing: atheris mutates outputs until they take new branches through the parsers of the dialects.

It needs `pip install atheris`, which is not a dependency. Run: `python -m benchmarks.reliability.guided --seconds 300`.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

COUNT = re.compile(r"stat::number_of_executed_units:\s+(\d+)")


def run(seconds: int) -> dict[str, Any]:
    """Search for a number of seconds, in a process of its own; return nothing if atheris is not installed."""
    if importlib.util.find_spec("atheris") is None:
        return {}
    command = [sys.executable, "-m", "benchmarks.reliability.guided", "--search", "--seconds", str(seconds)]
    found = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    counted = COUNT.search(found.stderr)
    broken = [] if found.returncode == 0 and counted else [found.stderr[-2000:]]
    return {"outputs": int(counted[1]) if counted else 0, "broken": broken, "wrong": len(broken)}


def search(seconds: int) -> None:
    """Search until something breaks or time is up, starting from right answers; ends the process."""
    import atheris

    with atheris.instrument_imports(include=["langchain_memlora.experts.dialects"]):
        from benchmarks.reliability.fuzz import PIECES, READERS, RIGHT

    def try_one(data: bytes) -> None:
        first, second, rest = data[:1], data[1:2], data[2:]
        dialect, read = READERS[int.from_bytes(first) % len(READERS)]
        kind = read(dialect, rest.decode("utf-8", "surrogateescape"), random.Random(second))
        assert not kind.startswith("beyond"), kind

    with tempfile.TemporaryDirectory() as folder:
        corpus, words = Path(folder) / "corpus", Path(folder) / "words"
        corpus.mkdir()
        for place, (dialect, _) in enumerate(READERS):
            for number, text in enumerate(RIGHT[dialect.name]):
                (corpus / f"{place}-{number}").write_bytes(bytes((place, number)) + text.encode())
        words.write_text("".join(f'"{_escaped(piece)}"\n' for piece in PIECES))
        options = [
            f"-max_total_time={seconds}",
            f"-dict={words}",
            "-print_final_stats=1",
            f"-artifact_prefix={folder}/",
        ]
        atheris.Setup(["guided", *options, str(corpus)], try_one)
        atheris.Fuzz()


def _escaped(piece: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in piece.encode("utf-8", "surrogatepass"))


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--search", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.search:
        search(options.seconds)
    print(json.dumps(run(options.seconds), indent=1))


if __name__ == "__main__":
    main()
