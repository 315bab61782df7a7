"""Finds labelled messages that nearly repeat another one, by embedding, and removes them from the files.

    python -m langchain_memlora.lab.training.near_duplicates --threshold 0.9             # prints the pairs
    python -m langchain_memlora.lab.training.near_duplicates --threshold 0.9 --remove

Two messages are near-duplicates if they share many words, their vectors are near, their sentences have the same labels and
facts, and they have the same names and numbers. So minimal pairs ("I own a kayak", "I'd like to own a kayak") stay.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from math import ceil
from pathlib import Path

import numpy as np
from langchain_core.embeddings import Embeddings

from langchain_memlora.lab.training.choices import sentence_labels
from langchain_memlora.lab.training.held_out import HELD_OUT_FILES
from langchain_memlora.lab.training.json_lines import shipped
from langchain_memlora.lab.training.messages import LabelledMessage, load_messages
from langchain_memlora.models import default_embeddings
from langchain_memlora.wordforms import words_of

OVERLAP = 0.4
"""Share of common words from which two messages are embedded: all of them would take an hour on one core."""


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

    Of two the earlier is kept; held-out messages always are. The message before is compared, too: a short answer repeats
    another one only if the question does.

    Args:
        threshold: Cosine similarity from which two messages count as the same.
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
    pairs = [
        (earlier, later)
        for earlier, later in _overlapping(ordered)
        if ordered[later].file not in HELD_OUT_FILES and _key(ordered[earlier]) == _key(ordered[later])
    ]
    texts = list(dict.fromkeys(_text(ordered[place]) for pair in pairs for place in pair))
    vectors = dict(zip(texts, np.array((embeddings or default_embeddings()).embed_documents(texts)), strict=True))
    dropped: dict[int, NearDuplicate] = {}
    for earlier, later in pairs:
        one, other = vectors[_text(ordered[earlier])], vectors[_text(ordered[later])]
        similarity = float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other)))
        if similarity >= threshold and earlier not in dropped and later not in dropped:
            dropped[later] = NearDuplicate(ordered[earlier], ordered[later], similarity)
    return sorted(dropped.values(), key=lambda pair: -pair.similarity)


def _overlapping(messages: Sequence[LabelledMessage]) -> list[tuple[int, int]]:
    """Return the pairs of places of messages that share enough words, in order of the later one.

    Such a pair shares one of the rarest words of either, of which each needs only the first few to be looked up.
    """
    words = [frozenset(word.casefold() for word, _ in words_of(message.message)) for message in messages]
    counts = Counter(word for those in words for word in those)
    seen: dict[str, list[int]] = defaultdict(list)
    pairs = set()
    for place in sorted(range(len(words)), key=lambda place: len(words[place])):
        those = words[place]
        rarest = sorted(those, key=lambda word: (counts[word], word))
        for word in rarest[: len(those) - ceil(OVERLAP * len(those)) + 1]:
            for other in seen[word]:
                if len(those & words[other]) >= OVERLAP * len(those | words[other]):
                    pairs.add((min(place, other), max(place, other)))
            seen[word].append(place)
    return sorted(pairs, key=lambda pair: (pair[1], pair[0]))


def _text(message: LabelledMessage) -> str:
    return "\n".join([*(before.content for before in message.context[-1:]), message.message])


def _key(message: LabelledMessage) -> tuple[tuple[str, ...], frozenset[str], frozenset[str]]:
    """Return the labels of a message, its names and numbers, and its facts."""
    words = words_of(_text(message))
    exact = frozenset(word.casefold() for word, is_name in words if is_name or any(letter.isdigit() for letter in word))
    facts = frozenset(fact.casefold().rstrip(".") for sentence in message.sentences for fact in sentence.facts)
    return sentence_labels(message), exact, facts


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
    parser.add_argument("--record", type=Path, help="with --remove: a JSON file of what was removed, which is added to")
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
        removed = remove_lines(files, frozenset(pair.repeated.id for pair in found))
        print(f"{removed} removed")
        if asked.record:
            before = json.loads(asked.record.read_text())["removed"] if asked.record.exists() else {}
            new = {pair.repeated.id: pair.kept.id for pair in found}
            asked.record.write_text(
                json.dumps({"threshold": asked.threshold, "removed": before | new}, indent=1) + "\n"
            )


if __name__ == "__main__":
    main()
