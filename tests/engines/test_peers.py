"""Tests of the counts and promises of `make measure WHAT=speed`."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks.peers import growth, report
from benchmarks.peers.metered import Metered
from langchain_memlora.bundles import load_bundle
from langchain_memlora.engines import Request
from langchain_memlora.lab.evaluation.fingerprint import bundle_sha256
from langchain_memlora.testing import ScriptedEngine


def test_stages_are_counted() -> None:
    inner = ScriptedEngine(extraction="1 likes tea", memory_update=lambda prompt: "ADD")
    with Metered(inner) as engine:
        engine.run([Request("extraction", "a b c"), Request("memory_update", "x", choices=("ADD", "NONE"))])
        assert {stage: (row["calls"], row["read"], row["written"]) for stage, row in engine.spent.items()} == {
            "extraction": (1, 3, 3),
            "memory_update": (1, 1, 1),
        }


def test_forced_lengths_are_written(tiny: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMLORA_CACHE", str(tmp_path))
    pytest.importorskip("openvino", reason="the extra `openvino` is not installed")
    from langchain_memlora.engines.openvino import OpenVINOEngine

    inner = OpenVINOEngine(tiny.bundle, threads=1)
    with Metered(inner, {"extraction": 60}) as engine:
        engine.texts["extraction"] = "none"
        found = engine.run([Request("extraction", "hi", 5)])[0]
        assert (found.text, found.finished) == ("none", True)
        assert engine.spent["extraction"]["written"] == 60
        assert engine.run([Request("generation", "hi", 5)])[0].completion_tokens <= 5
        assert inner.compute([Request("extraction", "hi", 60)])[0].completion_tokens == 60


def figures(**seconds: float) -> dict[str, Any]:
    """Figures of a run in which a pair took so many seconds."""
    names = {"ours": "memlora", "paper": "paper's form", "mem0": "mem0, forced"}
    stage = {"calls": 1.0, "read": 10.0, "written": 5.0, "seconds": 0.1}
    one = {
        "engine": "openvino",
        "question": {"seconds": 0.2, "f1": 0.5, "stages": {}},
        "given": False,
        "known": 3,
        "right": 2,
        "megabytes": 900.0,
    }
    contestants = {
        names[key]: {
            **one,
            "pair": {
                "seconds": value,
                "seconds with facts": value,
                "cpu": value,
                "stages": {"extraction": stage, "memory_update": stage},
                "rest": 0.1,
            },
        }
        for key, value in seconds.items()
    }
    return {"machine": "x", "load": 0.1, "pairs": 2, "questions": 1, "annotated": 3, "contestants": contestants}


def test_missed_ratio_is_reported() -> None:
    found = figures(ours=1.0, paper=4.5, mem0=14.0)
    assert [promise.holds for promise in report.promises(found)] == [False, True]
    assert report.targets(found).count("**no**") == 1
    assert "| memlora | openvino | 1.00 | 1.0 | 1.00 | 0.20 | 0.50 | 900 | 3 (2) |" in report.cost(found)
    assert "| memlora | 10 + 5 (1.0) | 10 + 5 (1.0) |" in report.tokens(found)
    assert report.promises(figures(ours=1.0)) == []


def test_growth_slope_per_doubling() -> None:
    clock = {100: [0.9, 1.0, 5.0], 400: [1.1, 1.1, 1.1], 1600: [1.0, 1.2, 9.0]}
    assert growth.slope(clock) == pytest.approx(0.05)
    seconds = {"add": {"100": 1.0, "1600": 1.2}, "search": {"100": 0.01, "1600": 0.04}}
    found = {"growth": {"seconds": seconds, "slope": 0.05, "pairs": 3, "questions": 2}, "machine": "x"}
    assert [promise.holds for promise in report.promises(found)] == [True, True, False]
    assert "| search | 0.010 | 0.040 |" in report.growth(found)
    assert report.cost(found) == report.UNMEASURED


def test_figures_of_other_experts_are_marked() -> None:
    now = bundle_sha256(load_bundle())
    assert report.changed_since({"experts": now}) == ""
    assert "make measure WHAT=speed" in report.changed_since({"experts": "another"})
    assert "make measure WHAT=speed" in report.changed_since({})
