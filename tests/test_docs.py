"""Docs stay current: Python blocks run, commands in shell blocks exist, generated parts and errors are complete."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from langchain_memlora import errors
from langchain_memlora.bundles import load_bundle
from langchain_memlora.cli.app import app
from langchain_memlora.lab.evaluation.fingerprint import bundle_sha256

ROOT = Path(__file__).parent.parent
FENCE = re.compile(r"^(<!-- needs: [^\n]*-->\n)?[ \t]*```(\w+)[^\n]*\n(.*?)^[ \t]*```", re.DOTALL | re.MULTILINE)
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "langchain_memlora" / "bundles").glob("*/README.md")),
    *sorted((ROOT / "benchmarks").rglob("README.md")),
]
# Programs that shell blocks may use besides those that are checked word by word.
OTHERS = {"export", "sqlite3", "accelerate", "langgraph", "git", "cd", "cp", "docker"}


def blocks(text: str, language: str, *, here: bool = False) -> list[str]:
    """Return the fenced blocks of one language; with `here`, without those that need a server (store tests run them)."""
    found = [block for block in FENCE.finditer(text) if block[2] == language and not (here and block[1])]
    return [textwrap.dedent(block[3]) for block in found]


def named(pages: list[Path], language: str) -> list[Any]:
    """Return the pages that have blocks of a language, as parameters."""
    kept = [page for page in pages if blocks(page.read_text(encoding="utf-8"), language)]
    return [pytest.param(page, id=page.relative_to(ROOT).as_posix()) for page in kept]


def docstring_blocks() -> Iterator[Any]:
    """Yield name and code of each example in a docstring of the package."""
    for path in sorted((ROOT / "langchain_memlora").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                for number, code in enumerate(blocks(ast.get_docstring(node) or "", "python")):
                    name = f"{path.relative_to(ROOT)}:{getattr(node, 'name', 'module')}:{number}"
                    yield pytest.param(name, code, id=name)


# -- Python --------------------------------------------------------------------------------------------------------


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run in an empty folder, which is also home and contains `my-bundle`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MEMLORA_HOME", str(tmp_path / "home"))
    shutil.copytree(ROOT / "langchain_memlora" / "bundles" / "smollm2-135m", tmp_path / "my-bundle")
    return tmp_path


def at_hand() -> dict[str, Any]:
    """Return the names that pages use without defining them: a chat model, a vector store, an embedder and an engine."""
    from langchain_core.embeddings import DeterministicFakeEmbedding
    from langchain_core.language_models import GenericFakeChatModel
    from langchain_core.vectorstores import InMemoryVectorStore

    from langchain_memlora.testing import ScriptedEngine

    embeddings = DeterministicFakeEmbedding(size=16)
    return {
        "model": GenericFakeChatModel(messages=iter(["I see."] * 100)),
        "my_vector_store": InMemoryVectorStore(embeddings),
        "my_embeddings": embeddings,
        "my_engine": ScriptedEngine(),
    }


@pytest.mark.model
@pytest.mark.slow
@pytest.mark.parametrize("page", named(PAGES, "python"))
def test_page_code_runs(page: Path, elsewhere: Path) -> None:
    # A module of its own, so that what looks up annotations by module finds the page's names.
    module = type(sys)("page")
    module.__dict__.update(at_hand())
    sys.modules["page"] = module
    try:
        for number, code in enumerate(blocks(page.read_text(encoding="utf-8"), "python", here=True), 1):
            exec(compile(code, f"{page.name}, block {number}", "exec"), module.__dict__)
    finally:
        del sys.modules["page"]


@pytest.mark.model
@pytest.mark.slow
@pytest.mark.parametrize(("name", "code"), docstring_blocks())
def test_docstring_example_runs(name: str, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMLORA_HOME", str(tmp_path))
    exec(compile(code.replace("/tmp/", f"{tmp_path}/"), name, "exec"), {})


@pytest.mark.parametrize("page", named(PAGES, "python"))
def test_imports_on_page_exist(page: Path) -> None:
    for code in blocks(page.read_text(encoding="utf-8"), "python"):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("langchain_memlora"):
                module = importlib.import_module(str(node.module))
                assert all(hasattr(module, name.name) for name in node.names), ast.unparse(node)


# -- shell and JSON ------------------------------------------------------------------------------------------------


def commands(block: str) -> Iterator[list[str]]:
    """Yield the commands of a shell block as words, without comments and leading assignments."""
    for line in block.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        while words and re.match(r"[A-Z_]+=", words[0]):
            words.pop(0)
        if words:
            yield words


def check_memlora(words: list[str]) -> None:
    """Follow a command line through the groups of the real command."""
    command = get_command(app)
    while names := getattr(command, "commands", None):
        words = positional(command, words, all_from_first=True)
        if not words:
            return
        assert words[0] in names, f"memlora has no {words[0]!r}"
        command, words = names[words[0]], words[1:]
    plain = positional(command, words)
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    assert len(plain) >= sum(argument.required for argument in arguments), f"{words} lacks an argument"
    assert len(plain) <= len(arguments) or any(argument.nargs == -1 for argument in arguments), f"{words}: too many"


def positional(command: Any, words: list[str], *, all_from_first: bool = False) -> list[str]:
    """Return the words that are neither an option of the command nor its value; or all words from the first of them."""
    options = {name: option for option in command.params for name in option.opts}
    plain, rest = [], list(words)
    while rest:
        if not rest[0].startswith("-"):
            if all_from_first:
                return rest
            plain.append(rest.pop(0))
            continue
        name = rest.pop(0)
        if name != "--help":
            assert name in options, f"no option {name!r}"
            if not options[name].is_flag:
                del rest[: options[name].nargs]
    return plain


def check_make(words: list[str]) -> None:
    makefile = (ROOT / "Makefile").read_text()
    for word in words:
        name, is_variable, value = word.partition("=")
        targets = [f"measure-{each}" for each in value.split()] if name == "WHAT" else [] if is_variable else [name]
        for target in targets:
            assert re.search(rf"^{re.escape(target)}:", makefile, re.M), f"make has no {target!r}"


def check_pip(words: list[str]) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for word in words:
        if found := re.fullmatch(r"(?:langchain-memlora|\.)\[(.+)\]", word):
            assert set(found[1].split(",")) <= set(extras), word


def check_files(words: list[str]) -> None:
    for word in words:
        if word.startswith(("examples/", "tests/", "benchmarks/", "docs/")):
            assert (ROOT / word).exists(), word


CHECKS = {"memlora": check_memlora, "make": check_make, "pip": check_pip, "bash": check_files, "python": check_files}


@pytest.mark.parametrize("page", named(PAGES, "bash"))
def test_commands_and_options_exist(page: Path) -> None:
    for block in blocks(page.read_text(encoding="utf-8"), "bash"):
        for program, *words in commands(block):
            program = program.removeprefix(".venv/bin/")
            assert program in CHECKS or program in OTHERS, f"{program!r} is not a program that pages use"
            CHECKS.get(program, check_files)(words)


@pytest.mark.parametrize("page", named(PAGES, "json"))
def test_json_blocks_parse(page: Path) -> None:
    for block in blocks(page.read_text(encoding="utf-8"), "json"):
        json.loads(block)


def test_command_checker_rejects_unknown_names() -> None:
    for line in ("nothing", "add hi --users ana", "migrate mem1 x", "models pul", "restore --user ana", "list x y"):
        with pytest.raises(AssertionError):
            check_memlora(shlex.split(line))
    with pytest.raises(AssertionError):
        check_make(["measure", "WHAT=nothing"])


# -- generated and complete ----------------------------------------------------------------------------------------


def test_generated_parts_are_current() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "docs.generate", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_recorded_scores_match_shipped_experts() -> None:
    for run in json.loads((ROOT / "docs" / "recorded" / "benchmark.json").read_text(encoding="utf-8")):
        config = run["config"]
        assert config["bundle_sha256"] == bundle_sha256(load_bundle(config["bundle"])), f"run {config['dataset']} again"


def test_every_error_is_documented() -> None:
    page = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    known = {name for name, value in vars(errors).items() if inspect.isclass(value)}
    assert set(re.findall(r"^## (\w+Error)$", page, re.M)) == known
    assert set(re.findall(r"^<!-- messages: (\w+) -->$", page, re.M)) == known - {"MemLoRAError"}


def test_every_example_is_listed() -> None:
    page = (ROOT / "docs" / "how-to" / "index.md").read_text(encoding="utf-8")
    examples = {path.name for path in (ROOT / "examples").iterdir() if path.suffix in {".py", ".ipynb", ".sh"}}
    assert set(re.findall(r"^\| `(\S+)` \|", page, re.M)) == examples


@pytest.mark.slow
def test_site_builds_without_warnings(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="the extra `docs` is not installed")
    pytest.importorskip("mkdocstrings", reason="the extra `docs` is not installed")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "site" / "troubleshooting" / "index.html").read_text(encoding="utf-8")
    assert "Every message of this class" in page
