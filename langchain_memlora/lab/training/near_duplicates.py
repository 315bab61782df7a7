"""Finds labelled messages that nearly repeat another one, by embedding, and removes them from the files.

    python -m langchain_memlora.lab.training.near_duplicates --threshold 0.97            # prints the pairs
    python -m langchain_memlora.lab.training.near_duplicates --threshold 0.97 --remove

Two messages are near-duplicates if their vectors are near, their sentences have the same labels, and they have the same names
and numbers. "My wife is a teacher" and "My sister is a teacher" differ in what they state: read the pairs before choosing a
threshold.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from langchain_core.embeddings import Embeddings

from langchain_memlora.experts.wordforms import words_of
from langchain_memlora.lab.training.choices import sentence_labels
from langchain_memlora.lab.training.held_out import HELD_OUT_FILES
from langchain_memlora.lab.training.json_lines import shipped
from langchain_memlora.lab.training.messages import LabelledMessage, load_messages
from langchain_memlora.models import default_embeddings

_BLOCK = 1024
"""Rows of the matrix of similarities that are in memory at once."""


@dataclass(frozen=True, slots=True)
class NearDuplicate:
    """A message that nearly repeats one that is kept."""

    kept: LabelledMessage
    repeated: LabelledMessage
    similarity: float


def near_duplicates(
    messages: Sequence[LabelledMessage], threshold: float, embeddings: Embeddings | None = None
) -> list[NearDuplicate]:
    """Return the messages to remove, the nearest first, each with the one that it repeats.

    Of two the earlier is kept, but a held-out message before any that is trained on. The message before is compared, too: a
    short answer repeats another one only if the question does.

    Args:
        threshold: Cosine similarity from which two messages are compared by labels, names and numbers.
        embeddings: Default: the package's own.

    Example:
        ```python
        from langchain_memlora.lab.training.messages import load_messages
        from langchain_memlora.lab.training.near_duplicates import near_duplicates

        for pair in near_duplicates(load_messages()[:20], 0.95):
            print(pair.similarity, pair.kept.message, pair.repeated.message)
        ```
    """
    ordered = sorted(messages, key=lambda message: message.file not in HELD_OUT_FILES)
    vectors = np.array(
        (embeddings or default_embeddings()).embed_documents(list(map(_text, ordered))), dtype=np.float32
    )
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    dropped: dict[int, NearDuplicate] = {}
    for start in range(0, len(ordered), _BLOCK):
        block = vectors[start : start + _BLOCK]
        near = block @ vectors[: start + len(block)].T >= threshold
        for row, column in np.argwhere(near):
            later, earlier = start + int(row), int(column)
            if earlier < later and later not in dropped and earlier not in dropped:
                one, other = ordered[earlier], ordered[later]
                if _key(one) == _key(other):
                    dropped[later] = NearDuplicate(one, other, float(vectors[earlier] @ vectors[later]))
    return sorted(dropped.values(), key=lambda pair: -pair.similarity)


def _text(message: LabelledMessage) -> str:
    return "\n".join([*(before.content for before in message.context[-1:]), message.message])


def _key(message: LabelledMessage) -> tuple[tuple[str, ...], frozenset[str]]:
    """Return the labels of a message, and its names and numbers."""
    words = words_of(_text(message))
    exact = frozenset(word.casefold() for word, is_name in words if is_name or any(letter.isdigit() for letter in word))
    return sentence_labels(message), exact


def remove_lines(paths: Sequence[Path], ids: frozenset[str]) -> int:
    """Remove the messages with these ids from files of JSON lines; the other lines stay byte for byte.

    Returns:
        The number of lines removed.
    """
    removed = 0
    for path in paths:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if not line.strip() or json.loads(line)["id"] not in ids]
        if len(kept) < len(lines):
            path.write_text("".join(kept), encoding="utf-8")
            removed += len(lines) - len(kept)
    return removed


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the near-duplicates of the shipped or given files, and remove them if asked to."""
    parser = argparse.ArgumentParser(description="Find labelled messages that nearly repeat another one.")
    parser.add_argument("files", nargs="*", type=Path, help="JSONL files; default: the shipped messages")
    parser.add_argument("--threshold", type=float, required=True, help="cosine similarity, from 0 to 1")
    parser.add_argument("--remove", action="store_true", help="remove them from the files")
    asked = parser.parse_args(arguments)
    files = asked.files or shipped("messages")
    found = near_duplicates(load_messages(*files), asked.threshold)
    for pair in found:
        print(
            f"{pair.similarity:.3f} {pair.kept.id} {pair.repeated.id}\n  {pair.kept.message}\n  {pair.repeated.message}"
        )
    names = sorted(pair.repeated.file for pair in found)
    counts = ", ".join(f"{name} {len(list(group))}" for name, group in groupby(names))
    print(f"{len(found)} near-duplicates{f': {counts}' if counts else ''}")
    if asked.remove:
        print(f"{remove_lines(files, frozenset(pair.repeated.id for pair in found))} removed")


if __name__ == "__main__":
    main()
