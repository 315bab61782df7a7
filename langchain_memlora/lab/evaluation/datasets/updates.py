"""Labelled cases for the update expert: a known memory, a new fact, and the right operation."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from langchain_memlora.errors import InvalidInputError
from langchain_memlora.types import Event

UPDATES = Path(str(resources.files("langchain_memlora"))) / "lab" / "evaluation" / "datasets" / "data" / "updates.jsonl"


@dataclass(frozen=True, slots=True)
class UpdateCase:
    """One decision with its right answer.

    Attributes:
        kind: Relation of memory and fact, for instance `paraphrase` or `cancelled`.
        retracts: The user asks to forget the fact.
    """

    id: str
    kind: str
    memory: str
    fact: str
    label: Event
    retracts: bool = False


def load_update_cases(path: str | Path = UPDATES) -> list[UpdateCase]:
    """Load cases from a JSONL file; without arguments, the shipped ones.

    Raises:
        InvalidInputError: The file is missing, or a line is not a case.

    Example:
        ```python
        from langchain_memlora.lab.evaluation.datasets.updates import load_update_cases

        assert len(load_update_cases()) >= 300
        ```
    """
    cases: list[UpdateCase] = []
    try:
        for line in Path(path).read_text(encoding="utf-8").splitlines():
            if line.strip():
                given = json.loads(line)
                cases.append(UpdateCase(**{**given, "label": Event(given["label"])}))
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = (
            f"{path}, line {len(cases) + 1}, can't be read as an update case ({error!r}). "
            "Each line needs id, kind, memory, fact, label (ADD, NONE, UPDATE, DELETE) and retracts."
        )
        raise InvalidInputError(msg) from error
    return cases
