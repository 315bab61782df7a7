"""Tests of the wheel of a clean clone, in an environment that has nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
CONSTRAINTS = ROOT / "constraints.txt"


def run(*command: str | Path, cwd: Path) -> str:
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run("git", "clone", "--quiet", "--depth=1", f"file://{ROOT}", folder / "clone", cwd=folder)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    run(*pip, "wheel", "--no-deps", "--wheel-dir", folder, folder / "clone", cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.mark.slow
@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a clone")
def test_everything_in_the_wheel_is_apache_licensed(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    cards = {name: json.loads(data) for name, data in content.items() if name.endswith("/card.json")}
    assert cards
    assert {card["licence"] for card in cards.values()} == {"Apache-2.0"}
    assert {name.split("/")[0].split("-")[0] for name in content} == {"langchain_memlora"}
    # Code may name the licence of a data set that it reads; what is packed as data may not be under it.
    packed = {name: data for name, data in content.items() if not name.endswith((".py", "/METADATA"))}
    assert [name for name, data in packed.items() if b"CC BY-NC" in data or b"CC-BY-NC" in data] == []
    assert [name for name in packed if "locomo" in name] == []


@pytest.mark.model
@pytest.mark.slow
@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a clone")
def test_wheel_installs_and_runs_quickstart(wheel: Path, tmp_path: Path) -> None:
    assert (
        "langchain_memlora/bundles/smollm2-135m/extraction/adapter_model.safetensors"
        in zipfile.ZipFile(wheel).namelist()
    )

    run(sys.executable, "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    python = tmp_path / "venv" / "bin" / "python"
    install = [python, "-m", "pip", "install", "--disable-pip-version-check", "--quiet", "-c", CONSTRAINTS]
    run(*install, "torch", cwd=tmp_path)
    run(*install, wheel, cwd=tmp_path)
    quickstart = tmp_path / "quickstart.py"
    quickstart.write_text((ROOT / "examples" / "quickstart.py").read_text())
    assert "Berlin" in run(python, quickstart, cwd=tmp_path)
