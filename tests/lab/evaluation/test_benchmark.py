"""Tests of a benchmark run on a small conversation."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from langchain_memlora.bundles import Bundle
from langchain_memlora.errors import InvalidInputError
from langchain_memlora.lab.evaluation import SETUPS, Benchmark, Conversation, ReaderLimits
from langchain_memlora.lab.evaluation.datasets import DATASETS
from langchain_memlora.lab.evaluation.ingest import PROGRESS, ingest, is_ingested
from langchain_memlora.lab.evaluation.runs import read_answers, read_lines
from tests.lab.evaluation.conftest import Opener


@pytest.fixture
def make(tmp_path: Path, bundle: Bundle, opener: Opener) -> Callable[..., Benchmark]:
    def benchmark(out: str = "run", **options: object) -> Benchmark:
        given = {"embedder": "bag", "reading": ReaderLimits(k=2, budget=60, together=2), **options}
        return Benchmark(DATASETS["locomo"], opener, bundle, tmp_path / out, tmp_path / "stores", **given)

    return benchmark


@pytest.fixture
def told(locomo_file: Path) -> list[Conversation]:
    return DATASETS["locomo"].load(locomo_file, (1, 2))


def test_run_answers_questions_with_evidence(make, told, tmp_path: Path) -> None:
    scores = make().run(told)
    answers = read_answers(tmp_path / "run")
    assert [a.question_id for a in answers] == [f"conv-{n}/{q}" for n in (1, 2) for q in range(3)]
    cello = answers[0]
    assert "play the cello" in cello.prediction
    assert cello.evidence == cello.shown == ["D1:2"]
    assert cello.prediction in cello.context
    assert cello.known
    assert cello.prompt_tokens > 0
    assert scores["setups"]["memlora"]["f1"]["n"] == 6
    assert scores["setups"]["memlora"]["evidence"]["any"]["5"]["mean"] == 1.0
    assert json.loads((tmp_path / "run/scores.json").read_text()) == json.loads(json.dumps(scores))


def test_run_reports_cost_and_extraction(make, told) -> None:
    scores = make().run(told)
    cost = scores["ingestion"]["conv-1"]
    assert cost["turns"] == 5
    assert cost["events"] == {"ADD": 3, "UPDATE": 1}
    assert cost["stages"]["extract"]["calls"] == 2
    found = scores["extraction"]
    assert (found["facts_annotated"], found["facts_extracted"], found["windows"]) == (6, 8, 4)
    assert found["recall"] == 1.0
    assert found["precision"] == 6 / 8
    assert found["right_speaker"] == 1.0


def test_second_run_reuses_stores_and_answers(make, told, opener: Opener) -> None:
    make().run(told)
    before = len(opener.asked)
    make().run(told)
    assert len(opener.asked) == before
    make(out="other").run(told)
    assert {request.role for request in opener.asked[before:]} == {"generation"}


def test_setups_can_be_added_later(make, told, tmp_path: Path) -> None:
    make().run(told)
    scores = make().run(told, ["memlora", "bm25"])
    assert set(scores["setups"]) == {"memlora", "bm25"}
    assert set(scores["against"]) == {"bm25"}
    assert scores["against"]["bm25"]["f1"]["n"] == 6
    assert len(read_answers(tmp_path / "run")) == 12


def test_setups_read_their_own_context(make, told, tmp_path: Path) -> None:
    make().run(told[:1], list(SETUPS))
    context = {a.setup: a.context for a in read_answers(tmp_path / "run") if a.question_id == "conv-1/0"}
    assert set(context) == set(SETUPS)
    assert context["no-memory"] == "(no notes)"
    assert "- Ben play the cello" in context["facts"]
    assert "Ben: I play the cello" not in context["facts"]
    for name in ("turns", "dense", "bm25", "full-context"):
        assert "Ben: I play the cello" in context[name]
        assert "\n- " not in context[name]
    assert context["full-context"].count(": ") == 5
    assert "- Ben play the cello" in context["memlora"]
    assert "Ben: I play the cello" in context["memlora"]
    assert "- " not in context["no-experts"]


def test_disabled_experts_get_their_own_store(make, told, opener: Opener) -> None:
    make().run(told[:1], ["memlora", "no-reader", "extraction-only"])
    stores = {without: path for path, without in opener.opened}
    assert len(set(stores.values())) == 2
    by_reader = {request.role for request in opener.asked if request.prompt.endswith("What does Ben play?")}
    assert by_reader == {"generation", None}


def test_changed_questions_are_refused(make, told) -> None:
    make().run(told)
    with pytest.raises(InvalidInputError, match="another"):
        make(reading=ReaderLimits(k=3)).run(told)


def test_limit_samples_deterministically(make, told, tmp_path: Path) -> None:
    make().run(told, limit=2)
    make(out="again").run(told, limit=2)
    first, second = ([a.question_id for a in read_answers(tmp_path / run)] for run in ("run", "again"))
    assert first == second
    assert len(first) == 2


def test_unknown_setup_and_empty_run_raise(make, told) -> None:
    with pytest.raises(InvalidInputError, match="No setup 'bm52'"):
        make().run(told, ["bm52"])
    with pytest.raises(InvalidInputError, match="none to ask"):
        make().run([told[0].first_sessions(0)])


def test_interrupted_ingestion_resumes(told, opener: Opener, tmp_path: Path) -> None:
    conversation = told[0]

    class Stopped(Exception):
        pass

    def stop(turns: int) -> None:
        raise Stopped

    with opener(path=tmp_path / "s") as memory, pytest.raises(Stopped):
        ingest(memory, tmp_path / "s", conversation, stop)
    assert not is_ingested(tmp_path / "s", conversation)
    with opener(path=tmp_path / "s") as memory:
        ingest(memory, tmp_path / "s", conversation)
        assert len(memory.ledger.all_turns(memory.get_all(user_id="conv-1")[0].scope)) == 5
    assert is_ingested(tmp_path / "s", conversation)
    assert [row["session"] for row in read_lines(tmp_path / "s" / PROGRESS)] == [0, 1]


def test_pending_window_is_processed_after_crash(told, opener: Opener, tmp_path: Path) -> None:
    conversation = told[0]
    with opener(path=tmp_path / "s") as memory:
        real = memory.engine.compute

        def crash(requests):
            raise KeyError("power cut")

        memory.engine.compute = crash
        with pytest.raises(Exception, match="power cut"):
            ingest(memory, tmp_path / "s", conversation)
        memory.engine.compute = real
    with opener(path=tmp_path / "s") as memory:
        ingest(memory, tmp_path / "s", conversation)
        assert [m.text for m in memory.get_all(user_id="conv-1")][:2] == [
            "Ana live in Berlin",
            "Ben play the cello [shares a cello]",
        ]
    assert [row["session"] for row in read_lines(tmp_path / "s" / PROGRESS)] == [-1, 0, 1]


def test_truncated_answer_is_asked_again(make, told, tmp_path: Path) -> None:
    make().run(told)
    file = tmp_path / "run/answers.jsonl"
    file.write_bytes(file.read_bytes()[:-20])
    make().run(told)
    assert len(read_answers(tmp_path / "run")) == 6


def test_progress_counts_to_total(make, told) -> None:
    seen: dict[str, tuple[int, int]] = {}
    make(watch=lambda stage, done, total: seen.update({stage: (done, total)})).run(told)
    assert seen["ingesting"] == (10, 10)
    assert seen["asking conv-1: memlora"] == (3, 3)
