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
from langchain_memlora.lab.training.train import Recipe
from langchain_memlora.lab.training.updates import UpdateCase, case_pairs, shipped_pairs

PAIR = '{"old": "User eats no dairy", "new": "User stays away from dairy", "event": "NONE"}'


def test_shipped_pairs_are_balanced() -> None:
    counts = Counter(pair.event for pair in load_pairs())
    assert set(counts) == {"ADD", "NONE", "UPDATE"}
    assert max(counts.values()) < 1.5 * min(counts.values())
    assert len({(pair.old, pair.new) for pair in load_pairs()}) == counts.total()


def test_update_cases_are_not_trained_on() -> None:
    taught = {text.casefold() for pair in shipped_pairs() for text in (pair.old, pair.new)}
    for case in load_update_cases():
        assert not {case.memory.casefold(), case.fact.casefold()} <= taught, case.id


def test_pair_becomes_two_equal_rows(tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    file.write_text(PAIR)
    first, second = story_rows(Role.MEMORY_UPDATE, load_bundle(), [], pairs=load_pairs(file))
    assert first == second
    assert first["completion"][0]["content"] == "NONE"
    assert "Old: User eats no dairy\nNew: User stays away from dairy" in first["prompt"][0]["content"]


def test_case_becomes_pairs() -> None:
    known = ("User has a safe", "User's suitcase code is 350")
    pairs = case_pairs([UpdateCase("c-1", known, "Forget User's suitcase code", "DELETE 1")])
    assert [(pair.old, pair.new, pair.event) for pair in pairs] == [
        (known[0], "forget that User's suitcase code", "ADD"),
        (known[1], "forget that User's suitcase code", "DELETE"),
    ]


@pytest.mark.parametrize(("unrelated", "rows"), [(0.0, 2), (1.0, 4), (9.0, 8)])
def test_unrelated_pairs_do_not_outnumber_the_others(unrelated: float, rows: int, tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    others = [PAIR.replace("NONE", "ADD").replace("dairy", food) for food in ("fish", "figs", "fennel")]
    file.write_text("\n".join([PAIR, *others]))
    made = story_rows(Role.MEMORY_UPDATE, load_bundle(), [], Recipe(unrelated=unrelated), load_pairs(file))
    assert len(made) == rows
    assert sum(row["completion"][0]["content"] == "NONE" for row in made) == 2


def test_validation_split() -> None:
    training, judging = split_pairs(load_pairs())
    assert 10 < len(training) / len(judging) <= 11
    assert not {(p.old, p.new) for p in training} & {(p.old, p.new) for p in judging}


@pytest.mark.parametrize(
    "line", ["{", '{"old": "a"}', PAIR.replace("NONE", "DROP"), PAIR.replace("User eats no dairy", "")]
)
def test_invalid_pair_names_its_line(line: str, tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    file.write_text(f"{PAIR}\n{line}\n")
    with pytest.raises(InvalidInputError, match=r"pairs\.jsonl:2"):
        load_pairs(file)
