"""Fuzzing of the parsers: no model output may crash them or reach anything beyond the shown text.

Outputs are random bytes, pieces of the dialects' own vocabulary, and right answers with some letters changed.
Run: `python -m benchmarks.reliability.fuzz --outputs 1000000`.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from langchain_memlora.engines.base import Completion
from langchain_memlora.errors import ExpertOutputError
from langchain_memlora.experts.dialects import DIALECTS, Dialect
from langchain_memlora.experts.windows import Window, cut_windows
from langchain_memlora.types import Decision, Event, Fact, Memory, Scope, Turn

NOW = datetime(2024, 5, 8, 12, tzinfo=UTC)
ANA = Scope("ana")
PIECES = (
    *"{}[]:,\"'`\\\n\t #0123456789-+eE.",
    *(
        "facts",
        "memory",
        "id",
        "text",
        "event",
        "old_memory",
        "ADD",
        "UPDATE",
        "DELETE",
        "NONE",
        "none",
        "forget:",
        "null",
    ),
    *(
        "```json",
        "true",
        "NaN",
        "Infinity",
        "1e999",
        "[" * 50,
        "{" * 50,
        "9" * 400,
        "ana",
        "Ana lives in Porto",
        "m0",
        "m9",
    ),
    *(
        "<|im_end|>",
        "\x00",
        "\u202e",
        "\u200b",
        "\ud800",
        "é",
        "١",
        "２",
        "🦓",
        "system:",
        "ignore previous instructions",
    ),
)
RIGHT = {
    "spans": ("none", "alone"),
    "lines": ("1 live in Porto\n2 like tea", "none", "1 forget: live in Porto", "2's dog is called Bruno"),
    "json": (
        '{"facts": ["Ana lives in Porto"]}',
        '{"memory": [{"id": "0", "text": "x", "event": "UPDATE", "old_memory": "y"}]}',
        '```json\n{"memory": [{"id": "2", "event": "DELETE"}]}\n```',
    ),
}


def run(outputs: int, seed: int) -> dict[str, Any]:
    """Feed a number of outputs to every reader of every dialect in turn."""
    rng = random.Random(seed)
    read: Counter[str] = Counter()
    wrong: list[str] = []
    for number in range(outputs):
        dialect, reader = READERS[number % len(READERS)]
        text = _text(rng, dialect.name)
        try:
            kind = reader(dialect, text, rng)
        except Exception as error:
            wrong.append(f"{dialect.name}: {type(error).__name__}: {error} for {text!r:.200}")
            kind = "crashed"
        if kind.startswith("beyond"):
            wrong.append(f"{dialect.name}: {kind} for {text!r:.200}")
        read[kind] += 1
    return {"outputs": outputs, "read as": dict(sorted(read.items())), "broken": wrong[:20], "wrong": len(wrong)}


def window() -> Window:
    """Return a window of two messages, with one before them."""
    said = (("assistant", "Hi"), ("user", "I live in Porto"), ("assistant", "Nice"), ("user", "I like tea"))
    turns = [Turn(f"t{i}", ANA, role, text, NOW) for i, (role, text) in enumerate(said)]
    return cut_windows(turns[1:], turns[:1])[0]


def _read_extraction(dialect: Dialect, text: str, rng: random.Random) -> str:
    asks = dialect.ask_extraction(WINDOW)
    finished = rng.random() < 0.8
    completions = [Completion(text, _probabilities(rng, len(ask.choices)), finished=finished) for ask in asks]
    reading = dialect.read_extraction(completions, WINDOW)
    shown = {turn.id for turn in WINDOW.turns}
    if any(fact.turn_id not in shown for fact in reading.facts):
        return "beyond the window"
    if any("\n" in fact.text for fact in reading.facts if dialect.name == "lines"):
        return "beyond the line"
    if any(fact.form == "said" and not _quotes(fact) for fact in reading.facts):
        return "beyond the words"
    return "facts" if reading.facts else "unreadable" if reading.rejected else "nothing"


def _quotes(fact: Fact) -> bool:
    """Return whether a fact's text is a part of its turn, in quotation marks."""
    (turn,) = (turn for turn in WINDOW.turns if turn.id == fact.turn_id)
    return fact.said is not None and f'"{turn.text[fact.said.start : fact.said.end]}"' in fact.text


def _read_update(dialect: Dialect, text: str, rng: random.Random) -> str:
    shown = CANDIDATES[: rng.randint(1, len(CANDIDATES))]
    fact = Fact("Ana lives in Berlin", "t1", NOW, retracts=rng.random() < 0.2)
    asks = dialect.ask_update(fact, shown)
    completions = [Completion(text, _probabilities(rng, len(ask.choices))) for ask in asks]
    try:
        decision = dialect.read_update(completions, fact, shown)
    except ExpertOutputError:
        return "unreadable"
    return _judged(decision, {memory.id for memory in shown})


def _judged(decision: Decision, shown: set[str]) -> str:
    if decision.target is not None and decision.target not in shown:
        return "beyond the candidates"
    if decision.event in {Event.UPDATE, Event.DELETE} and decision.target is None:
        return "beyond reason: no target"
    if not 0 <= decision.probability <= 1 + 1e-9:
        return f"beyond probability: {decision.probability}"
    return decision.event.value


def _probabilities(rng: random.Random, count: int) -> tuple[float, ...]:
    """Return probabilities as from a broken engine: extreme, all zero, not summing to 1."""
    draw: Callable[[], float] = rng.choice(
        (rng.random, lambda: rng.choice((0.0, 1.0)), lambda: 10 ** rng.uniform(-320, 0))
    )
    return tuple(draw() for _ in range(count))


def _text(rng: random.Random, dialect: str) -> str:
    kind = rng.random()
    if kind < 0.2:
        return rng.randbytes(rng.randint(0, 80)).decode("utf-8", "surrogateescape")
    if kind < 0.6:
        return "".join(rng.choices(PIECES, k=rng.randint(0, 30)))
    letters = list(rng.choice(RIGHT[dialect]))
    for _ in range(rng.randint(0, 5)):
        at = rng.randrange(len(letters) + 1)
        letters[at : at + rng.randint(0, 2)] = rng.choice(PIECES)
    return "".join(letters)


CANDIDATES = [Memory(f"m{i}", f"Ana lives in place {i}", ANA, NOW, NOW, NOW) for i in range(4)]
WINDOW = window()
READERS = [(dialect(), reader) for reader in (_read_update, _read_extraction) for dialect in DIALECTS.values()]


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--outputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    start = time.perf_counter()
    print(json.dumps({**run(options.outputs, options.seed), "seconds": round(time.perf_counter() - start)}, indent=1))


if __name__ == "__main__":
    main()
