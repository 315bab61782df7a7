"""Tests of the update cases to train on."""

from pathlib import Path

import pytest

from langchain_memlora.errors import InvalidInputError
from langchain_memlora.lab.training.updates import UpdateCase, load_update_cases
from langchain_memlora.types import Event


def test_shipped_cases_load() -> None:
    cases = load_update_cases()
    assert len({case.id for case in cases}) == len(cases) == 749
    assert {case.decision[0] for case in cases} == set(Event)


def test_decision() -> None:
    assert UpdateCase("c", ("a", "b"), "n", "UPDATE 1").decision == (Event.UPDATE, 1)
    assert UpdateCase("c", ("a",), "n", "NONE").decision == (Event.NONE, None)


@pytest.mark.parametrize("gold", ["UPDATE 1", "UPDATE", "ADD 0", "KEEP"])
def test_invalid_case_names_file_and_line(tmp_path: Path, gold: str) -> None:
    path = tmp_path / "c.jsonl"
    path.write_text(f'{{"id": "c", "known": ["a"], "new": "n", "gold": "{gold}"}}')
    with pytest.raises(InvalidInputError, match=r"(?s)c\.jsonl:1 is not a case.*number below 1"):
        load_update_cases(path)
