"""Measures the stages of a search, into docs/recorded/search.json; `docs/generate.py` writes the tables.

    python -m benchmarks.search                    # or: make measure WHAT=search
    python -m benchmarks.search --test             # LoCoMo's test conversations too, once a design
    python -m benchmarks.search --only assistant   # the other figures stay recorded

Reads LoCoMo's conversation 1 and the development stories from `MEMLORA_DATA`, where they are, and the assistant histories of
the package. With `facts`, the annotated facts are searched as memories, in place of what an extraction expert would have found.
"""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from langchain_core.embeddings import Embeddings

from benchmarks.record import RECORDED, read_figures, write_figures
from benchmarks.search.measure import Row, figures
from benchmarks.search.memories import filled
from benchmarks.search.stages import stages
from benchmarks.search.thresholds import Thresholds
from langchain_memlora.lab.evaluation.conversations import Conversation
from langchain_memlora.lab.evaluation.datasets import load_histories, load_locomo
from langchain_memlora.lab.evaluation.datasets.locomo import TEST, VALIDATION
from langchain_memlora.models import default_embeddings

RECORD = RECORDED / "search.json"


def material(data: Path, *, test: bool) -> Iterator[tuple[str, list[Conversation]]]:
    """Yield the sets of conversations that are there, by name."""
    locomo, stories = data / "locomo" / "locomo10.json", data / "dev" / "stories.jsonl"
    if locomo.exists():
        yield "LoCoMo conversation 1", load_locomo(locomo, VALIDATION)
        if test:
            yield "LoCoMo conversations 2 and 3", load_locomo(locomo, TEST)
    yield "assistant histories", load_histories()
    if stories.exists():
        yield "development stories", load_histories(stories)


def measure(conversations: list[Conversation], embeddings: Embeddings) -> dict[str, Any]:
    """Search every question by every row, among turns only and, without the cross-encoder, among turns and facts."""
    found: dict[str, Any] = {}
    thresholds = Thresholds()
    for facts in (False, True):
        rows: dict[str, Row] = {}
        for conversation in conversations:
            with filled(conversation, embeddings, facts=facts) as memory:
                for name, retriever in stages(memory, slow=not facts).items():
                    row = rows.setdefault(name, Row())
                    for question in memory.answerable:
                        row.add(memory, retriever, question.text, question.evidence, facts=facts)
                if facts:
                    thresholds.add(memory)
        found["facts" if facts else "turns"] = figures(rows)
    return {"searched": found, "thresholds": thresholds.figures()}


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("MEMLORA_DATA", "../shared/data")))
    parser.add_argument("--only", action="append", help="measure only the sets whose name has this in it")
    parser.add_argument("--test", action="store_true", help="measure LoCoMo's test conversations too")
    given = parser.parse_args()
    record = {"sets": {}} | read_figures(RECORD)
    record["machine"] = f"{os.cpu_count()} CPU cores ({platform.machine()}, {platform.system()})"
    embeddings = default_embeddings()
    for name, conversations in material(given.data, test=given.test):
        if not given.only or any(part in name for part in given.only):
            load = round(os.getloadavg()[0], 1)
            record["sets"][name] = measure(conversations, embeddings) | {"load": load}
            print(name, record["sets"][name], flush=True)
            write_figures(RECORD, record)


if __name__ == "__main__":
    main()
