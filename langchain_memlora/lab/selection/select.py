"""Chooses among trained adapters by the score of the whole pipeline (arXiv 2512.04763, algorithm B1, outer selection).

Role by role in the order of the pipeline: each candidate is tried with the best experts of the earlier roles and with the base
model in the later ones; those close to the best are kept. Then every combination of those is tried.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from langchain_memlora.bundles.bundle import load_bundle
from langchain_memlora.bundles.roles import TEXT_ROLES, Role
from langchain_memlora.errors import InvalidInputError
from langchain_memlora.lab.training.bundling import assemble_bundle

Score = Callable[[Path], float]
Choice = Mapping[Role, Path]


@dataclass(frozen=True, slots=True)
class Trial:
    """One combination and its score.

    Attributes:
        stage: The role it was tried for, or `combination`.
        experts: Bundle of each role's adapter; roles that are not in it ran on the base model.
    """

    stage: str
    experts: Choice
    score: float


@dataclass(frozen=True, slots=True)
class Selection:
    """The chosen combination, with all trials.

    Attributes:
        chosen: Bundle of each role's adapter, as `assemble_bundle` takes it.
        trials: All combinations that were tried, in order.
    """

    chosen: Choice
    score: float
    trials: tuple[Trial, ...]

    def table(self) -> str:
        """Return all trials as a Markdown table; the chosen one is marked."""
        head = ["stage", *TEXT_ROLES, "score", ""]
        rows = [[t.stage, *_names(t.experts), f"{t.score:.4f}", _mark(t, self)] for t in self.trials]
        lines = [head, ["---"] * len(head), *rows]
        return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def select_experts(
    candidates: Mapping[Role, Sequence[Path]], score: Score, work: Path, *, margin: float = 0.02, keep: int = 3
) -> Selection:
    """Try candidates and choose the best combination.

    A stopped run continues when started again with the same `work`: no combination is scored twice.

    Args:
        candidates: Bundles with a trained adapter for the role.
        score: Function from the folder of a bundle to a number; higher is better. Its `name`, if it has one, keeps
            scores of different measures apart.
        work: Folder for `scores.jsonl`, `table.md` and `chosen.json`, which `memlora bundle --chosen` takes.
        margin: Candidates within this distance of the role's best are combined.
        keep: Up to this many candidates of each role are combined.

    Raises:
        InvalidInputError: There are no candidates.
    """
    if not any(candidates.values()):
        msg = f"candidates={dict(candidates)!r} is empty. Give at least one bundle for a role."
        raise InvalidInputError(msg)
    tried = _Trials(score, work)
    kept: dict[Role, list[Path]] = {}
    best: dict[Role, Path] = {}
    for role in TEXT_ROLES:
        if candidates.get(role):
            trials = [tried(role, {**best, role: path}) for path in dict.fromkeys(candidates[role])]
            trials.sort(key=lambda trial: -trial.score)
            near = [trial for trial in trials if trial.score >= trials[0].score - margin]
            kept[role] = [trial.experts[role] for trial in near[:keep]]
            best[role] = kept[role][0]
    whole = [tried("combination", choice) for choice in _combinations(kept)]
    winner = max(whole, key=lambda trial: trial.score)
    made = Selection(winner.experts, winner.score, tuple(tried.all))
    (work / "table.md").write_text(made.table(), encoding="utf-8")
    chosen = {
        "chosen": {role.value: str(path) for role, path in made.chosen.items()},
        "score": {"value": round(made.score, 4), "measure": getattr(score, "name", ""), "trials": len(made.trials)},
    }
    (work / "chosen.json").write_text(json.dumps(chosen, indent=1) + "\n", encoding="utf-8")
    return made


class _Trials:
    """Scores combinations, each once, and keeps the scores on disk."""

    def __init__(self, score: Score, work: Path) -> None:
        self.score, self.work = score, work
        self.all: list[Trial] = []
        work.mkdir(parents=True, exist_ok=True)
        self.file = work / "scores.jsonl"
        lines = self.file.read_text(encoding="utf-8").splitlines() if self.file.exists() else []
        self.known: dict[str, float] = {}
        for line in lines:
            try:
                entry = json.loads(line)
                self.known[entry["key"]] = entry["score"]
            except (ValueError, KeyError, TypeError):  # cut off when a run was killed
                continue

    def __call__(self, stage: str, experts: Choice) -> Trial:
        key = self._key(experts)
        if key not in self.known:
            folder = self.work / "trial"
            shutil.rmtree(folder, ignore_errors=True)
            assemble_bundle(experts, folder, check=False)
            self.known[key] = self.score(folder)
            shutil.rmtree(folder)
            shown = {role.value: str(path) for role, path in experts.items()}
            entry = {"key": key, "stage": stage, "experts": shown, "score": self.known[key]}
            with self.file.open("a", encoding="utf-8") as file:
                file.write(f"\n{json.dumps(entry)}\n")  # begins a new line, should the last one have been cut off
        trial = Trial(stage, dict(experts), self.known[key])
        if not any(dict(trial.experts) == dict(other.experts) for other in self.all):
            self.all.append(trial)
        return trial

    def _key(self, experts: Choice) -> str:
        """Return a key made of the weights, not the folder: an adapter that was trained again is another candidate."""
        digest = hashlib.sha256(getattr(self.score, "name", "").encode())
        for role, path in experts.items():
            bundle = load_bundle(path)
            weights = bundle.adapters[role] / "adapter_model.safetensors" if role in bundle.adapters else None
            digest.update(
                f"{role}:".encode() + (weights.read_bytes() if weights else b"") + bundle.prompts[role].encode()
            )
        return digest.hexdigest()[:32]


def _combinations(kept: Mapping[Role, Sequence[Path]]) -> Iterator[dict[Role, Path]]:
    for paths in itertools.product(*kept.values()):
        yield dict(zip(kept, paths, strict=True))


def _names(experts: Choice) -> list[str]:
    return [experts[role].name if role in experts else "(base)" for role in TEXT_ROLES]


def _mark(trial: Trial, selection: Selection) -> str:
    return "chosen" if dict(trial.experts) == dict(selection.chosen) else ""
