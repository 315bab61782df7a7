"""The rows of the engine conformance suite are from stories that no expert is trained on."""

import json
from importlib import resources

from langchain_memlora.bundles import Role, load_bundle
from langchain_memlora.lab.training.build import split
from langchain_memlora.lab.training.conformance_rows import COUNTS, SLOTS, heldout_rows
from langchain_memlora.lab.training.stories import load_stories
from langchain_memlora.testing.engine_conformance import conformance_cases

FILE = resources.files("langchain_memlora.testing") / "data" / "heldout.jsonl"
ROWS = [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]


def test_stories_are_held_out() -> None:
    training, validation = split(load_stories())
    stories = {row["story"] for row in ROWS}
    assert stories <= {story.id for story in validation if story.validation}
    assert not stories & {story.id for story in training}


def test_file_is_current() -> None:
    """Contexts of questions are left out of the comparison: equal ranks may come in another order."""
    _, validation = split(load_stories())
    made = list(heldout_rows(validation, {role: COUNTS[role] for role in (Role.EXTRACTION, Role.MEMORY_UPDATE)}))
    assert made == [row for row in ROWS if row["role"] != Role.GENERATION]
    asked = {question.q for story in validation for question in story.questions}
    assert {row["slots"]["question"] for row in ROWS if row["role"] == Role.GENERATION} <= asked


def test_cases_are_rendered_by_the_bundle() -> None:
    bundle = load_bundle()
    cases = conformance_cases(bundle, windows=2, pairs=3, questions=1)
    assert [case.request.role for case in cases] == [*[Role.EXTRACTION] * 2, *[Role.MEMORY_UPDATE] * 3, Role.GENERATION]
    first = next(row for row in ROWS if row["role"] == Role.EXTRACTION)
    assert first["slots"]["dialogue"] in cases[0].request.prompt
    assert cases[0].gold == first["gold"]
    assert all(set(row["slots"]) == set(SLOTS[Role(row["role"])]) for row in ROWS)
