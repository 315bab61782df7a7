"""Rate of `add_many` with the real model on histories of many users, by the number of conversations in flight.

    python -m benchmarks.scale.ingest                          # part of make measure WHAT=scale; needs MEMLORA_DATA
    python -m benchmarks.scale.ingest --messages 2 --rounds 1  # a quick run

The first messages of LoCoMo's conversations, each a user's, are added to an empty memory repeatedly, with 1, 2, 4 and 8 in
flight in turns. Adds its part to docs/recorded/scale.json.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.peers.contestants import FAST, engine
from benchmarks.peers.material import LOCOMO
from benchmarks.record import read_figures, write_figures
from benchmarks.scale.run import RECORD
from langchain_memlora import Engine, MemLoRAMemory
from langchain_memlora.lab.evaluation.datasets.locomo import TRAIN, load_locomo

FLIGHTS = (1, 2, 4, 8)


def histories(data: Path, messages: int) -> list[dict[str, Any]]:
    """Return the start of each conversation, in two pieces, so that a user's order matters."""
    found = []
    for talk in load_locomo(data, TRAIN):
        turns = talk.sessions[0][: 2 * messages]
        for start in (0, messages):
            said = [
                {"role": "user", "name": str(t.speaker), "content": t.text} for t in turns[start : start + messages]
            ]
            found.append(
                {"user_id": talk.id, "thread_id": str(start), "observed_at": turns[0].observed_at, "messages": said}
            )
    return found


def rate(shared: Engine, given: list[dict[str, Any]], in_flight: int) -> float:
    """Return messages a second into an empty memory."""
    with tempfile.TemporaryDirectory() as folder, MemLoRAMemory(path=folder, engine=shared) as memory:
        memory.search("anything", user_id="nobody")  # loads what is loaded once
        start = time.perf_counter()
        done = memory.add_many(given, in_flight=in_flight)
        seconds = time.perf_counter() - start
    return done.turns / seconds


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=6, help="of each piece of a history")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--data", type=Path, default=LOCOMO)
    options = parser.parse_args()
    given = histories(options.data, options.messages)
    rates: dict[int, list[float]] = {flight: [] for flight in FLIGHTS}
    with engine(FAST, os.cpu_count()) as shared:
        shared.warm()
        for number in range(options.rounds):
            for flight, found in rates.items():
                found.append(rate(shared, given, flight))
            print(f"round {number + 1} of {options.rounds}: {rates}", flush=True)
    record = {"stores": {}} | read_figures(RECORD)
    record["ingest"] = {
        "engine": FAST,
        "users": len({one["user_id"] for one in given}),
        "messages": sum(len(one["messages"]) for one in given),
        "rounds": options.rounds,
        "messages_per_second": {str(flight): round(statistics.median(found), 2) for flight, found in rates.items()},
    }
    write_figures(RECORD, record)


if __name__ == "__main__":
    main()
