"""What users install: the wheel of a clean clone, in an environment that has nothing else."""

from __future__ import annotations

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


@pytest.mark.model
@pytest.mark.slow
@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a clone")
def test_wheel_installs_and_runs_quickstart(tmp_path: Path) -> None:
    run("git", "clone", "--quiet", "--depth=1", f"file://{ROOT}", tmp_path / "clone", cwd=tmp_path)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    run(*pip, "wheel", "--no-deps", "--wheel-dir", tmp_path, tmp_path / "clone", cwd=tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    held = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in held} == {"langchain_memlora"}
    assert "langchain_memlora/bundles/smollm2-135m/extraction/adapter_model.safetensors" in held

    run(sys.executable, "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    python = tmp_path / "venv" / "bin" / "python"
    install = [python, "-m", "pip", "install", "--disable-pip-version-check", "--quiet", "-c", CONSTRAINTS]
    run(*install, "torch", cwd=tmp_path)
    run(*install, wheel, cwd=tmp_path)
    quickstart = tmp_path / "quickstart.py"
    quickstart.write_text((ROOT / "examples" / "quickstart.py").read_text())
    assert "Berlin" in run(python, quickstart, cwd=tmp_path)
