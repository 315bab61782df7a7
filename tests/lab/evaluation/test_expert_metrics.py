"""Tests of the metrics of extraction and update with rule-based experts."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import BagOfWords

from langchain_memlora.bundles import Bundle
from langchain_memlora.errors import InvalidInputError
from langchain_memlora.experts import Experts
from langchain_memlora.lab.evaluation import evaluate_extraction, evaluate_updates
from langchain_memlora.lab.evaluation.datasets import DATASETS
from langchain_memlora.lab.evaluation.datasets.updates import UpdateCase, load_update_cases
from langchain_memlora.lab.evaluation.metrics.decisions import score_decisions
from langchain_memlora.lab.evaluation.metrics.facts import ReadWindow, match_facts, score_extraction
from langchain_memlora.testing import ScriptedEngine
from langchain_memlora.types import Event
from tests.lab.evaluation.conftest import Rules


def test_facts_match_one_to_one() -> None:
    window = ReadWindow((("Ana likes tea", "Ana"), ("Ana likes black tea", "Ana")), ("Ana likes tea", "Ana likes tea"))
    pairs = match_facts(BagOfWords(), window, 0.8)
    assert sorted(gold for gold, _ in pairs) == [0, 1]
    assert sorted(predicted for _, predicted in pairs) == [0, 1]
    assert len(match_facts(BagOfWords(), window, 0.99)) == 1


def test_extraction_scores_empty_windows_apart() -> None:
    windows = [
        ReadWindow((("Ana has a dog", "Ana"), ("Ana plays chess", "Ana")), ("Ana has a dog", "Ben went to Rome")),
        ReadWindow((("Ben likes tea", "Ben"),), (), valid=False),
        ReadWindow((), ()),
        ReadWindow((), ("Ana said hello",)),
    ]
    found = score_extraction(BagOfWords(), windows)
    assert (found["precision"], found["recall"], found["f1"]) == (1 / 2, 1 / 3, 2 / 5)
    assert found["rejected_empty"] == 0.5
    assert found["valid_output"] == 0.75
    assert found["right_speaker"] == 1.0


def test_wrong_speaker_is_counted() -> None:
    window = ReadWindow((("Ana has a black dog called Rex", "Ana"),), ("Ben has a black dog called Rex",))
    found = score_extraction(BagOfWords(), [window])
    assert found["recall"] == 1.0
    assert found["right_speaker"] == 0.0


def test_empty_extraction_has_no_f1() -> None:
    assert score_extraction(BagOfWords(), [ReadWindow((), ())])["f1"] is None
    assert score_extraction(BagOfWords(), [ReadWindow((("Ana sings", "Ana"),), ())])["f1"] == 0.0


def test_decisions_are_counted_by_label() -> None:
    found = score_decisions(
        [
            (Event.ADD, Event.ADD),
            (Event.ADD, Event.UPDATE),
            (Event.NONE, Event.DELETE),
            (Event.NONE, Event.ADD),
            (Event.UPDATE, Event.DELETE),
            (Event.DELETE, None),
        ]
    )
    assert found["accuracy"] == 1 / 6
    assert found["false_destructive"] == 0.5
    assert found["valid_output"] == 5 / 6
    assert found["confusion"]["ADD"] == {"ADD": 1, "UPDATE": 1}
    assert found["confusion"]["DELETE"] == {"unreadable": 1}


def test_update_cases_use_runtime_decisions(bundle: Bundle) -> None:
    cases = [
        UpdateCase("1", "change", "User lives in Porto", "User lives in Berlin", Event.UPDATE),
        UpdateCase("2", "no-change", "User lives in Porto", "User lives in Porto", Event.NONE),
        UpdateCase("3", "unrelated", "User lives in Porto", "User has a dog", Event.ADD),
        UpdateCase("4", "retraction", "User lives in Porto", "User lives in Porto", Event.DELETE, retracts=True),
        UpdateCase("5", "unrelated", "User lives in Porto", "User has a dog", Event.ADD, retracts=True),
    ]
    with Rules() as engine:
        scores, rows = evaluate_updates(Experts(bundle, engine), cases)
    assert scores["accuracy"]["mean"] == 1.0
    assert [row["decision"] for row in rows] == ["UPDATE", "NONE", "ADD", "DELETE", "NONE"]
    assert set(scores["by_kind"]) == {"change", "no-change", "unrelated", "retraction"}
    assert scores["cost"]["prompt_tokens"] > 0


def test_uncertain_update_counts_as_add(bundle: Bundle) -> None:
    case = UpdateCase("1", "change", "User lives in Porto", "User lives in Berlin", Event.UPDATE)
    with ScriptedEngine(memory_update=[{"UPDATE": 0.48, "ADD": 0.42, "DELETE": 0.1}]) as engine:
        scores, rows = evaluate_updates(Experts(bundle, engine), [case])
    assert rows[0]["decision"] == "ADD"
    assert scores["accuracy"]["mean"] == 0.0


def test_extraction_uses_runtime_windows(bundle: Bundle, locomo_file: Path) -> None:
    conversations = DATASETS["locomo"].load(locomo_file, (1, 2))
    with Rules() as engine:
        scores, read = evaluate_extraction(Experts(bundle, engine), conversations, BagOfWords())
        prompts = [request.prompt for request in engine.asked]
    assert len(read) == len(prompts) == 4
    assert "1 Ana: I live in Porto" in prompts[0]
    assert "Porto" not in prompts[1]  # twelve days later: another sitting
    assert scores["recall"] == 1.0
    assert scores["valid_output"] == 1.0
    with Rules() as engine:
        _, drawn = evaluate_extraction(Experts(bundle, engine), conversations, BagOfWords(), limit=2)
    assert len(drawn) == 2


def test_unreadable_output_is_counted(bundle: Bundle, locomo_file: Path) -> None:
    conversations = DATASETS["locomo"].load(locomo_file, (1,))
    with ScriptedEngine(extraction=["9 lives nowhere", "none"]) as engine:
        scores, _ = evaluate_extraction(Experts(bundle, engine), conversations, BagOfWords())
    assert scores["valid_output"] == 0.5
    assert scores["recall"] == 0.0


def test_invalid_case_names_its_line(tmp_path: Path) -> None:
    file = tmp_path / "cases.jsonl"
    file.write_text('{"id": "1", "kind": "x", "memory": "a", "fact": "b", "label": "MERGE"}\n')
    with pytest.raises(InvalidInputError, match="line 1"):
        load_update_cases(file)
