"""Makes the held-out rows of the engine conformance suite, `langchain_memlora/testing/data/heldout.jsonl`.

Run `python -m langchain_memlora.lab.training.conformance_rows` when the shipped stories or their `validation` marks change,
then run the suite and `make measure WHAT=engines` again: their figures depend on these rows.

The rows are from stories with a `validation` mark, which `build.split` keeps out of training. They are stored as data, with
the slots of a prompt rather than the prompt, so that `testing` needs no lab and each bundle renders its own prompts.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path

from langchain_core.embeddings import DeterministicFakeEmbedding

from langchain_memlora.bundles import Bundle, Role, load_bundle
from langchain_memlora.lab.training.build import split
from langchain_memlora.lab.training.reading import generation_rows
from langchain_memlora.lab.training.rows import TextRow, extraction_rows, story_sessions, update_rows
from langchain_memlora.lab.training.stories import Story, load_stories

COUNTS = {Role.EXTRACTION: 48, Role.MEMORY_UPDATE: 160, Role.GENERATION: 48}
SLOTS = {Role.EXTRACTION: ("dialogue",), Role.MEMORY_UPDATE: ("old", "new"), Role.GENERATION: ("context", "question")}
SEPARATOR = "\x1f"


def heldout_rows(stories: Sequence[Story], counts: dict[Role, int] = COUNTS) -> Iterator[dict[str, object]]:
    """Yield rows of `{"role", "story", "slots", "gold"}`, up to the given number of each role, in random order.

    Contexts of questions are retrieved without an embedding model: by words, and by vectors without meaning.
    """
    templates = {role: SEPARATOR.join(f"{{{slot}}}" for slot in slots) for role, slots in SLOTS.items()}
    unrendered = replace(load_bundle(), prompts=templates)
    for role, count in counts.items():
        rows = [(story.id, row) for story in stories for row in _rows(role, unrendered, story)]
        for story_id, row in random.Random(0).sample(rows, min(count, len(rows))):
            values = row["prompt"][0]["content"].split(SEPARATOR)
            slots = dict(zip(SLOTS[role], values, strict=True))
            yield {"role": str(role), "story": story_id, "slots": slots, "gold": row["completion"][0]["content"]}


def _rows(role: Role, bundle: Bundle, story: Story) -> list[TextRow]:
    if role is Role.EXTRACTION:
        return extraction_rows(bundle, story_sessions([story]))
    if role is Role.MEMORY_UPDATE:
        return update_rows(bundle, [story])
    return generation_rows(bundle, [story], embeddings=DeterministicFakeEmbedding(size=32))


def main() -> None:
    """Write the file."""
    _, validation = split(load_stories())
    path = Path(str(resources.files("langchain_memlora.testing"))) / "data" / "heldout.jsonl"
    lines = [json.dumps(row, ensure_ascii=False) for row in heldout_rows(validation)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{len(lines)} rows in {path}")


if __name__ == "__main__":
    main()
