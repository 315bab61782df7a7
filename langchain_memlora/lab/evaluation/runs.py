"""A run is one folder: `config.json`, `answers.jsonl` (a line an answer), `scores.json`.

Lines are appended and synced one by one, so a stopped run continues where it was.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from langchain_memlora.errors import InvalidInputError


@dataclass(frozen=True, slots=True)
class RecordedAnswer:
    """One question with its answer, and everything needed to grade or check it.

    Attributes:
        gold: Empty if the conversation does not have the answer.
        retrieved: The best hits, including some that were not read: `memory` (text or `None`) and `turns` (message ids).
        context: The text that was read.
        shown: The evidence in it.
        seconds: This question's share of the time its group of questions took.
    """

    setup: str
    conversation: str
    question_id: str
    question: str
    category: str
    gold: str
    stale: str | None
    prediction: str
    known: bool
    evidence: list[str]
    retrieved: list[dict[str, Any]]
    shown: list[str]
    context: str
    prompt_tokens: int
    completion_tokens: int
    seconds: float

    @property
    def key(self) -> tuple[str, str]:
        """Setup and question, unique in a run."""
        return self.setup, self.question_id

    @property
    def found(self) -> list[list[str]]:
        """Message ids of each hit, best first."""
        return [hit["turns"] for hit in self.retrieved]


class RunFolder:
    """The folder of a run.

    Args:
        config: The settings. A folder with answers continues only with the same ones.

    Raises:
        InvalidInputError: The folder holds a run with another configuration.
    """

    def __init__(self, path: Path, config: Mapping[str, Any]) -> None:
        self.path = path
        self.config = json.loads(json.dumps(config))
        path.mkdir(parents=True, exist_ok=True)
        file = path / "config.json"
        if file.exists():
            known = read_json(file)
            # A run may continue with other versions or on another machine, but not with other settings.
            if changed := sorted(k for k in self.config if k != "surroundings" and known.get(k) != self.config[k]):
                msg = (
                    f"{path} holds a run with another {', '.join(changed)}: "
                    f"{[known.get(k) for k in changed]!r:.300} before, {[self.config[k] for k in changed]!r:.300} now. "
                    "Choose another --out, or repeat the earlier options to continue it."
                )
                raise InvalidInputError(msg)
        else:
            write_json(file, self.config)

    def append(self, answers: Iterable[RecordedAnswer]) -> None:
        """Add answers; they are on disk when this returns."""
        append_lines(self.path / "answers.jsonl", (asdict(answer) for answer in answers))

    def answers(self) -> list[RecordedAnswer]:
        """Return all answers so far."""
        return read_answers(self.path)

    def write_scores(self, scores: Mapping[str, Any]) -> None:
        """Replace the scores."""
        write_json(self.path / "scores.json", scores)


def read_answers(path: Path) -> list[RecordedAnswer]:
    """Return the answers in a run's folder.

    Raises:
        InvalidInputError: A line is not an answer.
    """
    names = {field.name for field in fields(RecordedAnswer)}
    try:
        return [
            RecordedAnswer(**{k: v for k, v in row.items() if k in names}) for row in read_lines(path / "answers.jsonl")
        ]
    except TypeError as error:
        msg = f"{path / 'answers.jsonl'} is not a file of answers ({error}). Pass the folder of a run."
        raise InvalidInputError(msg) from error


def read_json(file: Path) -> Any:
    """Return the content of a JSON file.

    Raises:
        InvalidInputError: It is missing or not JSON.
    """
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        msg = f"{file} can't be read ({error}). Pass the folder of a run of `memlora evaluate`."
        raise InvalidInputError(msg) from error


def write_json(file: Path, value: Any) -> None:
    """Write a JSON file in one step."""
    draft = file.with_name(f"{file.name}.part")
    draft.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    draft.replace(file)


def append_lines(file: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Append rows to a JSONL file and sync it."""
    with file.open("a", encoding="utf-8") as out:
        out.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        out.flush()
        os.fsync(out.fileno())


def read_lines(file: Path) -> Sequence[dict[str, Any]]:
    """Return the rows of a JSONL file; none if it is missing. A last line that a crash cut short is removed from the file."""
    if not file.exists():
        return []
    data = file.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        os.truncate(file, len(whole))
    return [json.loads(line) for line in whole.splitlines()]
