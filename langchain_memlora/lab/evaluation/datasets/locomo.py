"""LoCoMo (arXiv 2402.17753, CC BY-NC 4.0): ten long conversations between two friends, read from the user's own copy.

Both speakers are named users. A shared photograph is represented by the data set's caption, as in LoCoMo's own text-only
protocol; the `query` it was found with is never read, because it reveals some answers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from langchain_memlora.errors import InvalidInputError
from langchain_memlora.lab.evaluation.conversations import ABSTAIN, AnnotatedFact, AnnotatedQuestion, Conversation
from langchain_memlora.lab.evaluation.datasets.samples import read_samples
from langchain_memlora.types import Scope, Turn

TRAIN, VALIDATION, TEST = (4, 5, 6, 7, 8, 9, 10), (1,), (2, 3)
"""The paper's split (arXiv 2512.04763), by place in the file, counted from 1."""

ADVERSARIAL = 5


def load_locomo(
    path: str | Path,
    numbers: tuple[int, ...] = TEST,
    *,
    adversarial: bool = False,
    corrections: str | Path | None = None,
) -> list[Conversation]:
    """Load conversations by their place in the file.

    Args:
        path: `locomo10.json` as published.
        numbers: Places from 1 to 10; `TRAIN`, `VALIDATION` and `TEST` are the paper's.
        adversarial: Keep the questions of category 5, which the conversation does not answer.
        corrections: A JSON list of audited answers (`sample_id`, `qa_index`, `correct_answer`, `correct_evidence`)
            that replace the published ones.

    Raises:
        InvalidInputError: The file is missing or not LoCoMo's, or it has no such conversation.

    Example:
        ```python
        from langchain_memlora.lab.evaluation.datasets.locomo import VALIDATION, load_locomo

        print(load_locomo.__doc__.splitlines()[0], VALIDATION)
        ```
    """
    try:
        audited = json.loads(Path(corrections).read_bytes()) if corrections else []
        corrected = {(entry["sample_id"], entry["qa_index"]): entry for entry in audited}
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f"{corrections} can't be read as corrections ({error!r}). Pass the audit's JSON list by question index."
        raise InvalidInputError(msg) from error
    return read_samples(path, numbers, lambda sample: _conversation(sample, adversarial, corrected), "LoCoMo")


def _conversation(
    sample: Mapping[str, Any], adversarial: bool, corrected: Mapping[tuple[str, int], Any]
) -> Conversation:
    name = sample["sample_id"]
    facts = tuple(
        AnnotatedFact(text, message_id)
        for session in sample["observation"].values()
        for entries in session.values()
        for text, ids in entries
        for message_id in ([ids] if isinstance(ids, str) else ids)
    )
    questions = tuple(
        _question(name, number, entry, corrected.get((name, number)))
        for number, entry in enumerate(sample["qa"])
        if adversarial or entry["category"] != ADVERSARIAL
    )
    return Conversation(name, tuple(_turns(sample)), questions, facts)


def _turns(sample: Mapping[str, Any]) -> Iterator[Turn]:
    scope = Scope(sample["sample_id"])
    talk = sample["conversation"]
    number = 1
    while messages := talk.get(f"session_{number}"):
        said_at = datetime.strptime(talk[f"session_{number}_date_time"], "%I:%M %p on %d %B, %Y").replace(tzinfo=UTC)
        for message in messages:
            photo = message.get("blip_caption")
            text = f"{message['text']} [shares {photo}]" if photo else message["text"]
            yield Turn("", scope, "user", text, said_at, "given", message["speaker"], message_id=message["dia_id"])
        number += 1


def _question(
    name: str, number: int, entry: Mapping[str, Any], corrected: Mapping[str, Any] | None
) -> AnnotatedQuestion:
    gold, evidence = entry.get("answer", ABSTAIN), entry["evidence"]
    if corrected:
        gold, evidence = corrected["correct_answer"], corrected["correct_evidence"]
    if entry["category"] == ADVERSARIAL:
        gold = ABSTAIN
    # A few published entries hold several ids in one string.
    ids = frozenset(part for entry in evidence for part in entry.replace(";", " ").replace(",", " ").split())
    return AnnotatedQuestion(f"{name}/{number}", entry["question"], str(gold), str(entry["category"]), ids)
