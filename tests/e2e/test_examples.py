"""Tests that every example runs to its end, as a user would run it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.model, pytest.mark.slow]
EXAMPLES = Path(__file__).parent.parent.parent / "examples"
TYPED = "My sister Lena studies law in Graz.\nWhat does my sister study?\n\n"
# Output that a notebook would show below its cells, kept as files here.
KEEP_FIGURES = "\nfor number in plt.get_fignums():\n    plt.figure(number).savefig(f'{number}.png')\n"


def run(script: Path, folder: Path) -> str:
    """Return the output of a script that runs in a folder of its own."""
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=folder,
        env=os.environ | {"MPLBACKEND": "agg"},
        input=TYPED,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_example_runs(path: Path, tmp_path: Path) -> None:
    assert run(path, tmp_path).strip()


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebook_runs(path: Path, tmp_path: Path) -> None:
    cells = [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    assert not any(cell["outputs"] for cell in cells), "Clear the outputs before you commit a notebook."
    script = tmp_path / "notebook.py"
    script.write_text("\n".join("".join(cell["source"]) for cell in cells) + KEEP_FIGURES, encoding="utf-8")
    assert run(script, tmp_path).strip()
    assert sorted(drawn.name for drawn in tmp_path.glob("*.png")) == ["1.png", "2.png"]
