"""What the package promises to importers: its names, its weight, the direction of its arrows, its errors."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import langchain_memlora
from langchain_memlora import errors

ROOT = Path(langchain_memlora.__file__).parent
HEAVY = ("torch", "transformers", "peft")
MAY_BE_HEAVY = {"engines", "models", "lab"}
# What each part may import besides itself. `engines.base` is an interface, open to all who ask engines.
LEAVES = {"errors", "types", "logs", "text", "_version"}
DATA = LEAVES | {"ledger", "indexes"}
FIND = DATA | {"retrieval", "intake"}
DECIDE = {"bundles", "experts", "engines.base"}
MEMORY = FIND | DECIDE | {"graph", "models", "engines.registry"}
ARROWS = {
    "errors": set(),
    "types": set(),
    "_version": set(),
    "logs": {"errors"},
    "text": set(),
    "intake": LEAVES,
    "bundles": LEAVES,
    "ledger": LEAVES,
    "indexes": LEAVES | {"ledger"},
    "retrieval": DATA,
    "models": LEAVES,
    "experts": LEAVES | {"bundles", "engines.base"},
    "engines": LEAVES | {"models", "bundles"},
    "testing": LEAVES | {"indexes", "engines.base", "engines.chat", "engines.transformers", "bundles", "experts"},
    "graph": FIND | DECIDE,
    "integrations": FIND | DECIDE | {"engines.chat", "memory"},
    "memory": MEMORY | {"integrations"},
    "ui": LEAVES | {"intake", "retrieval"},
    "lab": MEMORY | {"memory", "engines", "testing"},
}


def files() -> list[Path]:
    return sorted(path for path in ROOT.rglob("*.py"))


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Modules that a file imports, also inside functions, and whether only for type checking."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    guarded = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) in guarded) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield str(node.module), id(node) in guarded


def test_all_is_sorted_and_resolves() -> None:
    names = list(langchain_memlora.__all__)
    assert names == sorted(names) == dir(langchain_memlora)
    assert len(set(names)) == len(names)
    for name in names:
        assert getattr(langchain_memlora, name) is not None
    with pytest.raises(AttributeError, match="nothing_like_it"):
        _ = langchain_memlora.nothing_like_it


@pytest.mark.parametrize(
    "name",
    ["bundles", "experts", "graph", "indexes", "integrations", "ledger", "retrieval", "models", "engines", "testing"],
)
def test_all_of_a_package_resolves(name: str) -> None:
    module = __import__(f"langchain_memlora.{name}", fromlist=["__all__"])
    assert list(module.__all__) == sorted(module.__all__, key=lambda n: (not n.isupper(), n))
    assert all(hasattr(module, public) for public in module.__all__ if public != "TransformersEngine")


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import langchain_memlora", (*HEAVY, "chromadb", "langchain", "langgraph", "sqlalchemy")),
        ("from langchain_memlora import MemLoRAMemory, load_bundle; load_bundle()", (*HEAVY, "chromadb", "langchain")),
        ("import langchain_memlora.testing", (*HEAVY, "chromadb", "langgraph")),
    ],
)
def test_importing_is_light(code: str, absent: tuple[str, ...]) -> None:
    check = f"{code}\nimport sys\nprint([name for name in {absent!r} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True, cwd=ROOT.parent)
    assert ran.stdout.strip() == "[]"


def test_only_some_parts_know_torch() -> None:
    heavy = {
        str(path.relative_to(ROOT))
        for path in files()
        for name, only_types in imports(path)
        if name.split(".")[0] in HEAVY and not only_types
    }
    assert {path.split("/")[0] for path in heavy} <= MAY_BE_HEAVY


@pytest.mark.parametrize("part", sorted({path.relative_to(ROOT).parts[0].removesuffix(".py") for path in files()}))
def test_arrows_go_one_way(part: str) -> None:
    mine = [path for path in files() if path.relative_to(ROOT).parts[0].removesuffix(".py") == part]
    targets = {name for path in mine for name, only_types in imports(path) if not only_types}
    targets = {name.removeprefix("langchain_memlora.") for name in targets if name.startswith("langchain_memlora.")}
    others = {name for name in targets if name.split(".")[0] != part}
    if part in ARROWS:
        allowed = ARROWS[part]
        wrong = {name for name in others if name.split(".")[0] not in allowed and name not in allowed}
    else:  # the front doors: `__init__`, `cli`
        wrong = set()
    assert not wrong


def test_nobody_imports_the_command_line() -> None:
    for path in files():
        if path.relative_to(ROOT).parts[0] not in {"cli", "__main__.py"}:
            assert not any(name.startswith("langchain_memlora.cli") for name, _ in imports(path)), path


def test_the_tree_of_errors_is_as_drawn() -> None:
    drawn: dict[str, str | None] = {}
    above: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"^    ([│├└─ ]*)(\w+Error)\b", line)
        if found:
            depth = len(found[1])
            above = [(d, name) for d, name in above if d < depth]
            drawn[found[2]] = above[-1][1] if above else None
            above.append((depth, found[2]))
    classes = {
        name: kind for name, kind in inspect.getmembers(errors, inspect.isclass) if kind.__module__ == errors.__name__
    }
    assert drawn.keys() == classes.keys()
    for name, kind in classes.items():
        assert kind.__doc__
        assert drawn[name] == (None if name == "MemLoRAError" else kind.__bases__[0].__name__)
    for line in (errors.__doc__ or "").splitlines():
        if also := re.search(r"(\w+Error)\b.*\(also a (\w+)\)", line):
            assert also[2] in {base.__name__ for base in classes[also[1]].__bases__}
