"""Tests of `memlora export-adapters` with PEFT folders and GGUF files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from langchain_memlora.bundles import load_bundle

Run = Callable[..., Any]


def test_peft_export_copies_bundle(memlora: Run, tmp_path: Path) -> None:
    memlora("export-adapters", str(tmp_path / "out"))
    for role, folder in load_bundle().adapters.items():
        written = {path.name: path.read_bytes() for path in (tmp_path / "out" / role).iterdir()}
        assert written == {path.name: path.read_bytes() for path in folder.iterdir()}
    assert "does not exist yet" in memlora("export-adapters", str(tmp_path / "out"), code=1).stderr


@pytest.mark.model
@pytest.mark.slow
def test_gguf_export_has_gguf_header(memlora: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MEMLORA_CACHE")
    memlora("export-adapters", str(tmp_path / "out"), "--form", "gguf")
    assert sorted(path.stem for path in (tmp_path / "out").iterdir()) == sorted(load_bundle().adapters)
    assert all(path.read_bytes()[:4] == b"GGUF" for path in (tmp_path / "out").iterdir())
