"""Seconds to add a long message, and to answer after it, by its length and what it is made of.

    python -m benchmarks.scale.long_texts                       # make measure WHAT=long-texts
    python -m benchmarks.scale.long_texts --sizes 1000 10000    # a quick run

Each message is added to an empty memory with the fastest engine, and a question is answered. Writes
docs/recorded/long_texts.json, which docs/how-to/deploy.md shows.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.peers.contestants import FAST, engine
from benchmarks.record import RECORDED, ROOT, write_figures
from langchain_memlora import Engine, MemLoRAMemory

RECORD = RECORDED / "long_texts.json"
SIZES = (1_000, 10_000, 50_000)
NAMES = ("Ana", "Tom", "Mia", "Leo", "Eva", "Max", "Ida", "Ben")
PLACES = ("Porto", "Berlin", "Lima", "Oslo", "Kyoto", "Turin", "Accra")


def english(number: int) -> str:
    """Return one of many sentences."""
    name, place = NAMES[number % len(NAMES)], PLACES[number % len(PLACES)]
    return f"My cousin {name} moved to {place} in {1960 + number % 60} and found work there. Then it rained. "


def chinese(number: int) -> str:
    """Return a sentence in Chinese."""
    return f"我的表妹在{1960 + number % 60}年搬到了柏林，在那里找到了工作。"


def emoji(number: int) -> str:
    """Return emoji, with a few words between them."""
    return "🎉😀👩‍👩‍👧🏳️‍🌈🍕🚀" + (" what a day! " if number % 4 == 3 else "")


KINDS: dict[str, Callable[[int], str]] = {"English": english, "Chinese": chinese, "emoji": emoji}


def material(kind: str, size: int) -> str:
    """Return a text of a size."""
    if kind == "code":
        files = sorted((ROOT / "langchain_memlora").rglob("*.py"))
        return "\n".join(file.read_text(encoding="utf-8") for file in files[20:60])[:size]
    text = ""
    number = 0
    while len(text) < size:
        text += KINDS[kind](number)
        number += 1
    return text[:size]


def seconds(shared: Engine, text: str) -> dict[str, float]:
    """Return the seconds of an `add` and of an `answer` after it."""
    with tempfile.TemporaryDirectory() as folder, MemLoRAMemory(path=folder, engine=shared) as memory:
        memory.warm()
        start = time.perf_counter()
        memory.add(text, user_id="ana")
        added = time.perf_counter()
        memory.answer("Where did my cousin Ana move to?", user_id="ana")
        return {"add": round(added - start, 2), "answer": round(time.perf_counter() - added, 2)}


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--out", type=Path, default=RECORD)
    options = parser.parse_args()
    rows: dict[str, dict[str, dict[str, float]]] = {}
    with engine(FAST, os.cpu_count() or 1) as shared:
        for kind in (*KINDS, "code"):
            rows[kind] = {str(size): seconds(shared, material(kind, size)) for size in options.sizes}
            print(kind, rows[kind], flush=True)
    figures: dict[str, Any] = {
        "machine": f"{os.cpu_count()} CPU cores ({platform.machine()})",
        "engine": FAST,
        "load": round(os.getloadavg()[0], 1),
        "sizes": options.sizes,
        "seconds": rows,
    }
    write_figures(options.out, figures)


if __name__ == "__main__":
    main()
