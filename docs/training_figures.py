"""Figures of docs/training-data.md: the labelled messages by label and by file, and the near-duplicates removed."""

from __future__ import annotations

from collections import Counter
from itertools import groupby

from benchmarks.record import RECORDED, read_figures, table
from langchain_memlora.lab.training.choices import sentence_labels
from langchain_memlora.lab.training.messages import load_messages


def message_labels() -> str:
    """Return the number of sentences of each label."""
    counts = Counter(label for message in load_messages() for label in sentence_labels(message))
    return table(["label", "sentences"], counts.most_common())


def near_duplicates() -> str:
    """Return how many messages were removed because they nearly repeat another one."""
    found = read_figures(RECORDED / "near_duplicates.json")
    removed = ", ".join(f"`{name}`" for name in found["removed"])
    return f"At a similarity of {found['threshold']}, {len(found['removed'])} messages were removed: {removed}.\n"


def message_files() -> str:
    """Return the field and the size of each file of messages."""
    fields = read_figures(RECORDED / "message_fields.json")
    found = {name: list(group) for name, group in groupby(load_messages(), key=lambda message: message.file)}
    rows = []
    for name, field in fields.items():
        messages = found.pop(name)
        sentences = [sentence for message in messages for sentence in message.sentences]
        facts = sum(len(sentence.facts) for sentence in sentences)
        silent = sum(message.is_silent for message in messages)
        rows.append([f"`{name}`", field, len(messages), len(sentences), facts, silent])
    if found:
        msg = f"No field is recorded of the files {', '.join(found)}. Add them to docs/recorded/message_fields.json."
        raise ValueError(msg)
    return table(["file", "field", "messages", "sentences", "facts", "messages that state nothing"], rows)
