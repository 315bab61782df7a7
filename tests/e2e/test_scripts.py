"""Tests of the held-out scripts through the real pipeline; `make measure WHAT=figures` records their scores."""

from __future__ import annotations

from pathlib import Path

import pytest

from langchain_memlora.lab.scripts.player import play
from langchain_memlora.lab.scripts.script import load_script
from tests.e2e.conftest import Open

pytestmark = [pytest.mark.model, pytest.mark.slow, pytest.mark.timeout(1800)]
SCRIPTS = sorted((Path(__file__).parent.parent / "scripts").glob("*.yaml"))
REQUIRED = 0.5


def test_held_out_questions_are_answered(open_memory: Open) -> None:
    results = [play(load_script(path), open_memory(folder=path.stem)) for path in SCRIPTS]
    verdicts = [question.passed for played in results for question in played.answers]
    assert len(SCRIPTS) == 10
    assert sum(verdicts) / len(verdicts) >= REQUIRED
