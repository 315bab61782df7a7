"""Tests of `memlora evaluate` and `memlora report` with rule-based experts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from langchain_memlora.cli.app import app
from langchain_memlora.cli.setting import Setting
from langchain_memlora.lab.evaluation.report import write_report
from langchain_memlora.lab.evaluation.report.finished import published
from langchain_memlora.lab.evaluation.report.pages import Grid, Text, to_html, to_markdown
from langchain_memlora.lab.evaluation.runs import read_lines
from langchain_memlora.lab.evaluation.setups import SETUPS
from tests.lab.evaluation.conftest import Opener

Run = Callable[..., Result]


@pytest.fixture
def memlora(opener: Opener, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.delenv("MEMLORA_DATA", raising=False)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words: object, code: int = 0) -> Result:
        result = CliRunner().invoke(app, [str(word) for word in words], obj=Setting(opener=opener))
        assert result.exit_code == code, (result.output, result.exception)
        return result

    return run


def test_evaluate_all_baselines_and_report(memlora: Run, locomo_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "runs" / "tiny"
    shown = memlora("evaluate", "locomo", locomo_file, "--out", out, "--conversations", "1,2", "--baseline", "all")
    assert re.search(r"memlora\s+6\s+0\.\d+", shown.stdout)
    assert {row["setup"] for row in read_lines(out / "answers.jsonl")} == set(SETUPS)
    assert json.loads((out / "config.json").read_text())["conversations"]["conv-1"]["turns"] == 5
    written = memlora("report", out, "--out", tmp_path / "docs").stdout.split()
    assert {Path(name).name for name in written} == {
        "report.md",
        "report.html",
        "sizes.png",
        *(f"tiny-{plot}.png" for plot in ("scores", "categories", "ablation", "costs")),
    }
    assert all(Path(name).stat().st_size > 500 for name in written)
    page = (tmp_path / "docs/report.md").read_text()
    f1 = json.loads((out / "scores.json").read_text())["setups"]["memlora"]["f1"]
    assert f"| memlora | 6 | {f1['mean']:.3f} [{f1['low']:.3f}, {f1['high']:.3f}]" in page
    assert "4 single-hop (4)" in page
    assert "| Gemma2-2B + experts | 2.61 | Gemma2-27B | 44.5 | 47.2 |" in page
    assert "Neither is comparable" in page
    assert (tmp_path / "docs/report.html").read_text().count("<table") == page.count("\n| ---")


def test_limit_and_sessions_shorten_run(memlora: Run, locomo_file: Path, tmp_path: Path) -> None:
    words = ("evaluate", "locomo", locomo_file, "--out", tmp_path / "r", "--conversations", "1", "--sessions", "1")
    memlora(*words, "--limit", "1")
    [row] = read_lines(tmp_path / "r/answers.jsonl")
    assert row["gold"] == "cello"


def test_ingest_only_then_evaluate(memlora: Run, opener: Opener, locomo_file: Path, tmp_path: Path) -> None:
    words = ("evaluate", "locomo", locomo_file, "--out", tmp_path / "r", "--conversations", "1")
    memlora(*words, "--ingest-only")
    assert not (tmp_path / "r").exists()
    before = len(opener.asked)
    memlora(*words)
    assert {request.role for request in opener.asked[before:]} == {"generation"}


def test_evaluate_extraction_and_updates(memlora: Run, locomo_file: Path, tmp_path: Path) -> None:
    memlora("evaluate", "extraction", locomo_file, "--out", tmp_path / "e", "--conversations", "1,2")
    scores = json.loads((tmp_path / "e/scores.json").read_text())
    assert scores["extraction"]["recall"] == 1.0
    memlora("evaluate", "updates", "--out", tmp_path / "u", "--limit", 12)
    assert len(read_lines(tmp_path / "u/rows.jsonl")) == 12
    page = (
        memlora("report", tmp_path / "e", tmp_path / "u", "--out", tmp_path / "docs")
        and (tmp_path / "docs/report.md").read_text()
    )
    assert "| recall | 1.000 |" in page
    assert "kind of case" in page


def test_evaluate_shipped_histories(memlora: Run, tmp_path: Path) -> None:
    memlora("evaluate", "assistant", "--out", tmp_path / "a", "--conversations", "1", "--limit", "3")
    scores = json.loads((tmp_path / "a/scores.json").read_text())
    assert sum(s["n"] for s in scores["setups"]["memlora"]["by_category"].values()) == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("locomo",), "set MEMLORA_DATA"),
        (("longmemeval",), "that you downloaded"),
        (("locomo", "nowhere.json"), "can't be read as LoCoMo"),
        (("locomo", "x.json", "--conversations", "two"), "--conversations='two'"),
        (("assistant", "--adversarial"), "only apply to locomo"),
        (("assistant", "--baseline", "bm52", "--conversations", "1"), "No setup 'bm52'"),
    ],
)
def test_invalid_arguments_exit_with_error(memlora: Run, tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    assert message in memlora("evaluate", *words, "--out", tmp_path / "r", code=1).stderr


def test_unfinished_run_has_no_report(memlora: Run, tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    assert "has no scores" in memlora("report", tmp_path / "r", "--out", tmp_path / "docs", code=1).stderr


def test_report_shows_judge_calibration(memlora: Run, locomo_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "judged"
    memlora("evaluate", "locomo", locomo_file, "--out", out, "--conversations", "1,2")
    share = {"mean": 0.5, "low": 0.2, "high": 0.8, "n": 6, "unreadable": 0}
    probes = {"right": {**share, "mean": 0.9}, "wrong, vague": {**share, "mean": 0.625}}
    entry = {"judge": "j", "strictness": "generous", "setups": {"memlora": share}, "calibration": probes}
    (out / "judge.json").write_text(json.dumps([entry]))
    write_report([out], tmp_path / "docs")
    page = (tmp_path / "docs/report.md").read_text()
    assert "| j, generous | memlora | 0.500 [0.200, 0.800] | 0.900 | 0.625 |" in page


def test_report_escapes_markup() -> None:
    parts = [Text("a <b> title", "h1"), Grid(["x|y"], [["<script>"]])]
    assert "<script>" not in to_html(parts)
    assert "a &lt;b&gt; title" in to_html(parts)
    assert "x\\|y" in to_markdown(parts)


def test_paper_scores_match_233_questions() -> None:
    for system in [*published()["systems"], *published()["stages"]]:
        assert round(100 * round(system["J"] * 2.33) / 233, 1) == system["J"]
