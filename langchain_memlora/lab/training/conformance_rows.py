"""Makes the held-out rows of the engine conformance suite, `langchain_memlora/testing/data/heldout.jsonl`.

Run `python -m langchain_memlora.lab.training.conformance_rows` when the held-out messages, their labels, the shipped stories or
their `validation` marks change, then run the suite and `make measure WHAT=engines` again: their figures depend on these rows.

The rows of the extraction expert are all sentences of some messages of the held-out files, with their labels; those of the
others are from stories with a `validation` mark, which `build.split` keeps out of training. They are stored as data, with the
slots of a prompt rather than the prompt, so that `testing` needs no lab and each bundle renders its own prompts.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

from langchain_core.embeddings import DeterministicFakeEmbedding

from langchain_memlora.bundles import Bundle, Role, load_bundle
from langchain_memlora.experts.sentence_prompt import LABELS
from langchain_memlora.lab.training.build import split
from langchain_memlora.lab.training.choices import choice_rows, sentence_labels
from langchain_memlora.lab.training.messages import LabelledMessage, load_messages, split_messages
from langchain_memlora.lab.training.reading import generation_rows
from langchain_memlora.lab.training.rows import TextRow, update_rows
from langchain_memlora.lab.training.stories import Story, load_stories

MESSAGES = 60
OF_EACH_LABEL = 4
COUNTS = {Role.MEMORY_UPDATE: 160, Role.GENERATION: 48}
SLOTS = {
    Role.EXTRACTION: ("dialogue", "sentence"),
    Role.MEMORY_UPDATE: ("old", "new"),
    Role.GENERATION: ("context", "question"),
}
SEPARATOR = "\x1f"
HeldOutRow = dict[str, Any]


def sentence_rows(messages: Sequence[LabelledMessage], count: int = MESSAGES) -> Iterator[HeldOutRow]:
    """Yield a row of `{"role", "source", "slots", "gold"}` for each sentence of some messages.

    The messages are in random order, but first come some with each of the labels.
    """
    drawn = random.Random(0).sample(messages, len(messages))
    with_label = [
        message
        for label in LABELS
        for message in [message for message in drawn if label in sentence_labels(message)][:OF_EACH_LABEL]
    ]
    chosen = list({message.id: message for message in (*with_label, *drawn)}.values())[:count]
    for message, row in zip(chosen, choice_rows(_unrendered(), chosen, named=0), strict=True):
        for prompt, label in zip(row.prompts, row.labels, strict=True):
            yield _row(Role.EXTRACTION, message.id, prompt, label)


def story_rows(stories: Sequence[Story], counts: dict[Role, int] = COUNTS) -> Iterator[HeldOutRow]:
    """Yield such rows of the other experts, up to the given number of each role, in random order.

    Contexts of questions are retrieved without an embedding model: by words, and by vectors without meaning.
    """
    for role, count in counts.items():
        rows = [(story.id, row) for story in stories for row in _text_rows(role, _unrendered(), story)]
        for story_id, row in random.Random(0).sample(rows, min(count, len(rows))):
            yield _row(role, story_id, row["prompt"][0]["content"], row["completion"][0]["content"])


def _unrendered() -> Bundle:
    """Return the shipped bundle with prompts that are only their slots."""
    templates = {role: SEPARATOR.join(f"{{{slot}}}" for slot in slots) for role, slots in SLOTS.items()}
    return replace(load_bundle(), prompts=templates)


def _row(role: Role, source: str, prompt: str, gold: str) -> HeldOutRow:
    slots = dict(zip(SLOTS[role], prompt.split(SEPARATOR), strict=True))
    return {"role": str(role), "source": source, "slots": slots, "gold": gold}


def _text_rows(role: Role, bundle: Bundle, story: Story) -> list[TextRow]:
    if role is Role.MEMORY_UPDATE:
        return update_rows(bundle, [story], quoted=1.0)
    return generation_rows(bundle, [story], embeddings=DeterministicFakeEmbedding(size=32))


def main() -> None:
    """Write the file."""
    _, messages = split_messages(load_messages())
    _, stories = split(load_stories())
    path = Path(str(resources.files("langchain_memlora.testing"))) / "data" / "heldout.jsonl"
    lines = [json.dumps(row, ensure_ascii=False) for row in (*sentence_rows(messages), *story_rows(stories))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{len(lines)} rows in {path}")


if __name__ == "__main__":
    main()
