"""Tests of the program as a whole, in its own process."""

import os
import subprocess
import sys
from pathlib import Path

MAIN = "from langchain_memlora.cli import main; main()"


def run(*arguments: str, code: str = MAIN) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)


def test_help_imports_nothing_heavy() -> None:
    heavy = "torch", "transformers", "chromadb", "langgraph", "sqlalchemy", "langchain_core"
    code = f"import sys, atexit; atexit.register(lambda: print([m for m in {heavy} if m in sys.modules])); {MAIN}"
    done = run("--help", code=code)
    assert done.returncode == 0
    assert "doctor" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


def test_version_option() -> None:
    from langchain_memlora import __version__

    assert run("--version").stdout == f"memlora {__version__}\n"
    assert (
        run("--version", code="import runpy; runpy.run_module('langchain_memlora')").stdout == run("--version").stdout
    )


def test_error_is_one_line_without_debug(tmp_path: Path) -> None:
    arguments = ["--path", str(tmp_path), "demo", "--script", str(tmp_path / "none.yaml")]
    done = run(*arguments)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" in run("--debug", *arguments).stderr


def test_interrupt_exits_quietly() -> None:
    code = f"import langchain_memlora.cli.models as m\ndef stop(): raise KeyboardInterrupt\nm.cache_dir = stop\n{MAIN}"
    done = run("models", "path", code=code)
    assert done.returncode == 130
    assert done.stderr == ""


def test_ascii_output_does_not_crash(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "MEMLORA_CACHE": str(tmp_path)}
    command = [sys.executable, "-c", MAIN, "--path", str(tmp_path / "día"), "doctor"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert "d?a" in done.stdout
    assert "Traceback" not in done.stderr
