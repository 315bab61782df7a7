"""Tests of the sentence pairs for the memory_update expert."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from langchain_memlora.bundles import Role, load_bundle
from langchain_memlora.errors import InvalidInputError
from langchain_memlora.lab.evaluation.datasets.updates import load_update_cases
from langchain_memlora.lab.training.build import story_rows
from langchain_memlora.lab.training.pairs import load_pairs, split_pairs

PAIR = '{"old": "User eats no dairy", "new": "User stays away from dairy", "event": "NONE"}'


def test_shipped_pairs_are_balanced() -> None:
    counts = Counter(pair.event for pair in load_pairs())
    assert set(counts) == {"ADD", "NONE", "UPDATE"}
    assert max(counts.values()) < 1.5 * min(counts.values())
    assert len({(pair.old, pair.new) for pair in load_pairs()}) == counts.total()


def test_update_cases_are_not_trained_on() -> None:
    taught = {text.casefold() for pair in load_pairs() for text in (pair.old, pair.new)}
    for case in load_update_cases():
        assert not {case.memory.casefold(), case.fact.casefold()} <= taught, case.id


def test_pair_becomes_two_equal_rows(tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    file.write_text(PAIR)
    first, second = story_rows(Role.MEMORY_UPDATE, load_bundle(), [], pairs=load_pairs(file))
    assert first == second
    assert first["completion"][0]["content"] == "NONE"
    assert "Old: User eats no dairy\nNew: User stays away from dairy" in first["prompt"][0]["content"]


def test_validation_split() -> None:
    training, judging = split_pairs(load_pairs())
    assert 10 < len(training) / len(judging) <= 11
    assert not {(p.old, p.new) for p in training} & {(p.old, p.new) for p in judging}


@pytest.mark.parametrize(
    "line", ["{", '{"old": "a"}', PAIR.replace("NONE", "DELETE"), PAIR.replace("User eats no dairy", "")]
)
def test_invalid_pair_names_its_line(line: str, tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    file.write_text(f"{PAIR}\n{line}\n")
    with pytest.raises(InvalidInputError, match=r"pairs\.jsonl:2"):
        load_pairs(file)
