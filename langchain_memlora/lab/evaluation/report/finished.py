"""Input of reports: the folders of finished runs, and the numbers that the paper published."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from langchain_memlora.errors import InvalidInputError
from langchain_memlora.lab.evaluation.runs import read_json
from langchain_memlora.lab.evaluation.setups import SETUPS


@dataclass(frozen=True)
class Finished:
    """A run with its scores.

    Attributes:
        judgements: Grades of judges, each with its calibration; empty if there are none.
    """

    path: Path
    config: dict[str, Any]
    scores: dict[str, Any]
    judgements: list[dict[str, Any]]

    @property
    def title(self) -> str:
        """Data set, bundle and folder."""
        return f"{self.config['dataset']}, {self.config['bundle']} ({self.path.name})"

    @property
    def setups(self) -> dict[str, Any]:
        """Scores by setup, in the order of `SETUPS`; empty for a run of one expert alone."""
        found = self.scores.get("setups", {})
        return {name: found[name] for name in SETUPS if name in found}


def read_run(path: Path) -> Finished:
    """Read a run's folder.

    Raises:
        InvalidInputError: It has no configuration or no scores yet.
    """
    if not (path / "scores.json").exists():
        msg = f"{path} has no scores. Finish the run with `memlora evaluate ... --out {path}` first."
        raise InvalidInputError(msg)
    judgements = path / "judge.json"
    return Finished(
        path,
        read_json(path / "config.json"),
        read_json(path / "scores.json"),
        read_json(judgements) if judgements.exists() else [],
    )


@cache
def published() -> dict[str, Any]:
    """Return the paper's numbers, as published."""
    file = resources.files("langchain_memlora") / "lab" / "evaluation" / "datasets" / "data" / "paper.json"
    return json.loads(file.read_text(encoding="utf-8"))
