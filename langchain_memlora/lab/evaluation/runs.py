"""A run is one folder: `config.json` (what was asked for), `answers.jsonl` (a line an answer), `scores.json`.

Lines are appended as they are made and flushed to disk, so a run that was stopped goes on where it was.
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
    """One question as it was answered, with everything that a judge or a sceptic needs.

    Attributes:
        gold: Empty where the right answer is that the conversation does not tell.
        retrieved: The best hits beyond what was read: `memory` (text or `None`) and `turns` (message ids).
        context: The very text that was read.
        shown: The evidence that stands in it.
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
        """What is asked only once in a run."""
        return self.setup, self.question_id

    @property
    def found(self) -> list[list[str]]:
        """Message ids of each hit, best first."""
        return [hit["turns"] for hit in self.retrieved]


class RunFolder:
    """The folder of a run.

    Args:
        config: What the run is asked to do. A folder with answers goes on only under the same one.

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
            # Versions and machine may differ between two sittings of one run; what is asked may not.
            if changed := sorted(k for k in self.config if k != "surroundings" and known.get(k) != self.config[k]):
                msg = (
                    f"{path} holds a run with another {', '.join(changed)}: "
                    f"{[known.get(k) for k in changed]!r:.300} before, {[self.config[k] for k in changed]!r:.300} now. "
                    "Choose another --out, or ask for the same again to go on."
                )
                raise InvalidInputError(msg)
        else:
            write_json(file, self.config)

    def append(self, answers: Iterable[RecordedAnswer]) -> None:
        """Add answers; they are on disk when this returns."""
        append_lines(self.path / "answers.jsonl", (asdict(answer) for answer in answers))

    def answers(self) -> list[RecordedAnswer]:
        """All answers so far."""
        return read_answers(self.path)

    def write_scores(self, scores: Mapping[str, Any]) -> None:
        """Replace the scores."""
        write_json(self.path / "scores.json", scores)


def read_answers(path: Path) -> list[RecordedAnswer]:
    """The answers of a run's folder.

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
    """A JSON file.

    Raises:
        InvalidInputError: It is not there or not JSON.
    """
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        msg = f"{file} can't be read ({error}). Pass the folder of a run of `memlora evaluate`."
        raise InvalidInputError(msg) from error


def write_json(file: Path, value: Any) -> None:
    """Write a file whole or not at all."""
    draft = file.with_name(f"{file.name}.part")
    draft.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    draft.replace(file)


def append_lines(file: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Add rows to a JSONL file and sync it."""
    with file.open("a", encoding="utf-8") as out:
        out.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        out.flush()
        os.fsync(out.fileno())


def read_lines(file: Path) -> Sequence[dict[str, Any]]:
    """Rows of a JSONL file; none if it is not there. A last line that a crash cut short is taken off the file."""
    if not file.exists():
        return []
    data = file.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        os.truncate(file, len(whole))
    return [json.loads(line) for line in whole.splitlines()]
