"""Tests of the recipe from raw chats to a bundle, with a tiny model and a scripted teacher."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from langchain_memlora.bundles import TEXT_ROLES, load_bundle

pytestmark = [pytest.mark.model, pytest.mark.slow]
SCRIPT = Path(__file__).parents[3] / "examples" / "train_your_own.sh"


def run(work: Path, **surroundings: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key not in {"TEACHER", "TINY", "BASE"}}
    environment |= {"WORK": str(work), "PYTHON": sys.executable, "OMP_NUM_THREADS": "1", **surroundings}
    return subprocess.run(["bash", str(SCRIPT)], env=environment, capture_output=True, text=True, check=False)


def test_recipe_runs_with_tiny_model(tmp_path: Path) -> None:
    done = run(tmp_path, TINY="1")
    assert done.returncode == 0, done.stderr[-2000:]
    assert "nothing about quality" in done.stdout
    bundle = load_bundle(tmp_path / "bundle")
    assert bundle.adapters.keys() == set(TEXT_ROLES)
    assert bundle.card.training.keys() == set(TEXT_ROLES)
    assert bundle.card.data == ["my own chats"]
    assert bundle.card.base.tokenizer_sha256
    report = json.loads((tmp_path / "distilled" / "report.json").read_text())
    assert report["dropped"]["extraction"] == 1  # one reply of the script can't be read
    assert report["bill"]["failed"] == {}
    assert min(report["rows"].values()) > 10
    # Whatever such experts say, the message itself is found.
    assert "I work at a bakery in Leipzig." in done.stdout.split("read from:")[1]


def test_missing_teacher_is_explained(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert done.returncode != 0
    assert "Name a teacher" in done.stderr
