"""`memlora` as a function, on a scripted engine whose experts follow a few rules instead of a model."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.vectorstores import InMemoryVectorStore
from support import PROMPTS, plain_bundle
from typer.testing import CliRunner, Result

from langchain_memlora.bundles import Role
from langchain_memlora.cli.app import app
from langchain_memlora.cli.setting import Setting
from langchain_memlora.memory.memory import MemLoRAMemory
from langchain_memlora.testing import ScriptedEngine

EMBEDDINGS = DeterministicFakeEmbedding(size=8)


def extraction(prompt: str) -> str:
    """Extract sentences that begin with `I`; `Garble` breaks the expert."""
    rows = []
    for number, text in re.findall(r"^(\d+) [^:]+: (.*)$", prompt, re.MULTILINE):
        if text.startswith("I "):
            rows.append(f"{number} {text[2:].rstrip('.')}")
        if text.startswith("Forget that I "):
            rows.append(f"{number} forget: {text[14:].rstrip('.')}")
        if text.startswith("Garble"):
            return "no number here"
    return "\n".join(rows) or "none"


def memory_update(prompt: str) -> str:
    """Update a memory whose sentence has the same first two words."""
    old, new = (re.search(rf"^{label}: (.*)$", prompt, re.MULTILINE)[1] for label in ("Old", "New"))
    if new.removeprefix("forget that ") == old:
        return "DELETE" if new.startswith("forget that ") else "NONE"
    return "UPDATE" if old.split()[:2] == new.split()[:2] else "ADD"


def generation(prompt: str) -> str:
    """Answer `Where do I live?` with the last place after `live in`, else `unknown`."""
    places = re.findall(r"live in (\w+)(?!.*\(no longer so\))", prompt)
    return places[-1] if re.search("^Where do I live", prompt, re.MULTILINE) and places else "unknown"


class Opener:
    """Opens memories on the rules above; they share vectors, as if stored on disk."""

    def __init__(self) -> None:
        self.stores: dict[Path, Any] = {}
        self.scripts: dict[str, Any] = {
            "extraction": extraction,
            "memory_update": memory_update,
            "generation": generation,
        }
        self.without: tuple[Role, ...] = ()

    def __call__(self, *, path: Path, experts: str, without: Sequence[Role] = ()) -> MemLoRAMemory:
        self.without = tuple(without)
        bundle = plain_bundle(experts, {Role.EXTRACTION: PROMPTS[Role.EXTRACTION]})
        store = self.stores.setdefault(path, InMemoryVectorStore(EMBEDDINGS))
        return MemLoRAMemory(
            path=path,
            experts=bundle,
            engine=ScriptedEngine(**self.scripts),
            index=store,
            embeddings=EMBEDDINGS,
            reranker=None,
        )


@pytest.fixture(autouse=True)
def plain_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Run without user, models and colours, on a wide terminal."""
    for name in ("MEMLORA_HOME", "MEMLORA_USER", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MEMLORA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "250")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def opener() -> Opener:
    return Opener()


@pytest.fixture
def memlora(home: Path, opener: Opener) -> Iterator[Callable[..., Result]]:
    """Run a command line with `user` in the environment and expect the exit code `code`."""

    def run(*arguments: str, user: str | None = "ana", code: int = 0, stdin: str | None = None) -> Result:
        environment: Mapping[str, str | None] = {"MEMLORA_USER": user}
        given = ["--path", str(home), *arguments]
        result = CliRunner().invoke(app, given, obj=Setting(opener=opener), env=environment, input=stdin)
        assert code is None or result.exit_code == code, (result.output, result.exception)
        return result

    return run


@pytest.fixture
def listed(memlora: Callable[..., Result]) -> Callable[..., Any]:
    """Run a command with `--json` and return the parsed output."""

    def run(*arguments: str, **options: Any) -> Any:
        return json.loads(memlora(*arguments, "--json", **options).stdout)

    return run
