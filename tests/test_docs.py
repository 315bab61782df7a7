"""Docs can't rot: generated parts are current, and every Python block in README and docstrings runs."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^[ \t]*```python\n(.*?)^[ \t]*```", re.DOTALL | re.MULTILINE)


def blocks() -> Iterator[tuple[str, str]]:
    """Name and code of each example: the first block of README, and all in docstrings of the package."""
    yield "README", BLOCK.findall((ROOT / "README.md").read_text())[0]
    for path in sorted((ROOT / "langchain_memlora").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                for number, code in enumerate(BLOCK.findall(ast.get_docstring(node) or "")):
                    name = getattr(node, "name", "module")
                    yield f"{path.relative_to(ROOT)}:{name}:{number}", code


def test_generated_parts_are_current() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.model
@pytest.mark.slow
@pytest.mark.parametrize(("name", "code"), [pytest.param(*block, id=block[0]) for block in blocks()])
def test_example_runs(name: str, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMLORA_HOME", str(tmp_path))
    exec(compile(textwrap.dedent(code).replace("/tmp/", f"{tmp_path}/"), name, "exec"), {})
