"""The package as importers see it: its names, its weight, the direction of its imports, its errors."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from graphlib import TopologicalSorter
from importlib import import_module
from pathlib import Path

import pytest

import langchain_memlora
from langchain_memlora import errors

ROOT = Path(langchain_memlora.__file__).parent
HEAVY = ("torch", "transformers", "peft")
MAY_BE_HEAVY = {"engines", "models", "lab"}
MAX_LINES = 400
# Modules that each part may import besides itself, also for type checking only. `engines.base` is an interface.
LEAVES = {"errors", "types", "logs", "text", "tokens", "passages", "metadata", "wordforms", "_version"}
STORED = LEAVES | {"ledger", "indexes"}
GRAPH = STORED | {"bundles", "experts", "retrieval", "intake", "engines.base"}
MEMORY = GRAPH | {"graph", "models", "engines.registry"}
ARROWS = {
    "errors": set(),
    "types": set(),
    "_version": set(),
    "logs": {"errors"},
    "text": set(),
    "tokens": set(),
    "passages": {"tokens"},
    "metadata": set(),
    "wordforms": set(),
    "intake": LEAVES,
    "bundles": LEAVES,
    "ledger": LEAVES,
    "models": LEAVES,
    "indexes": LEAVES | {"ledger"},
    "retrieval": STORED,
    "experts": LEAVES | {"bundles", "engines.base"},
    "engines": LEAVES | {"models", "bundles"},
    "graph": GRAPH,
    "memory": MEMORY | {"integrations"},
    "integrations": LEAVES | {"intake", "ledger", "retrieval", "engines.base", "engines.chat", "memory.protocol"},
    "testing": LEAVES | {"indexes", "bundles", "experts", "engines.base", "engines.chat", "engines.transformers"},
    "ui": LEAVES | {"intake", "retrieval", "memory"},
    "lab": MEMORY | {"memory", "engines", "testing.token_f1"},
}
FRONT_DOORS = {"__init__", "__main__", "cli"}


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


def test_type_checkers_see_the_public_names() -> None:
    tree = ast.parse(Path(langchain_memlora.__file__).read_text(encoding="utf-8"))
    nodes = [node for node in at_module_level(tree.body) if isinstance(node, ast.ImportFrom)]
    exported = {alias.asname: str(node.module) for node in nodes for alias in node.names if alias.asname}
    assert exported.keys() == set(langchain_memlora.__all__)
    for name, module in exported.items():
        assert getattr(import_module(module), name) is getattr(langchain_memlora, name)


@pytest.mark.parametrize(
    "name",
    ["bundles", "experts", "graph", "indexes", "integrations", "ledger", "retrieval", "models", "engines", "testing"],
)
def test_subpackage_all_resolves(name: str) -> None:
    module = __import__(f"langchain_memlora.{name}", fromlist=["__all__"])
    assert list(module.__all__) == sorted(module.__all__, key=lambda n: (not n.isupper(), n))
    assert all(hasattr(module, public) for public in module.__all__ if public != "TransformersEngine")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("experts.load_bundle", "bundles.load_bundle"),
        ("experts.Question", "experts.UpdateQuestion"),
        ("graph.compile_quietly", "graph.compile_without_checkpointer"),
        ("ledger.Change", "ledger.NewOperation"),
        ("memory.MemLoRAMemory", "memory.memory.MemLoRAMemory"),
    ],
)
def test_moved_names_warn(old: str, new: str) -> None:
    def find(name: str) -> object:
        module, _, attribute = f"langchain_memlora.{name}".rpartition(".")
        return getattr(import_module(module), attribute)

    with pytest.warns(DeprecationWarning, match=f"{old} is now"):
        assert find(old) is find(new)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        find(f"{old.split('.')[0]}.nothing")


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import langchain_memlora", (*HEAVY, "chromadb", "langchain", "langgraph", "sqlalchemy")),
        ("from langchain_memlora import MemLoRAMemory, load_bundle; load_bundle()", (*HEAVY, "chromadb", "langchain")),
        ("import langchain_memlora.testing", (*HEAVY, "chromadb", "langgraph")),
    ],
)
def test_imports_are_light(code: str, absent: tuple[str, ...]) -> None:
    check = f"{code}\nimport sys\nprint([name for name in {absent!r} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True, cwd=ROOT.parent)
    assert ran.stdout.strip() == "[]"


def test_torch_imports_are_confined() -> None:
    heavy = {
        str(path.relative_to(ROOT))
        for path in files()
        for name, only_types in imports(path)
        if name.split(".")[0] in HEAVY and not only_types
    }
    assert {path.split("/")[0] for path in heavy} <= MAY_BE_HEAVY


def part_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def test_every_part_has_arrows() -> None:
    assert {part_of(path) for path in files()} == ARROWS.keys() | FRONT_DOORS


@pytest.mark.parametrize("part", sorted(ARROWS))
def test_arrows_go_one_way(part: str) -> None:
    mine = [path for path in files() if part_of(path) == part]
    targets = {name for path in mine for name, _ in imports(path) if name.startswith("langchain_memlora.")}
    others = {name.removeprefix("langchain_memlora.") for name in targets}
    allowed = ARROWS[part] | {part}
    assert not {name for name in others if name.split(".")[0] not in allowed and name not in allowed}


@pytest.mark.parametrize(("target", "users"), [("cli", {"cli", "__main__"}), ("lab", {"lab", "cli"})])
def test_runtime_imports_neither_command_nor_lab(target: str, users: set[str]) -> None:
    for path in files():
        if part_of(path) not in users:
            assert not any(f"{name}.".startswith(f"langchain_memlora.{target}.") for name, _ in imports(path)), path


def at_module_level(body: Sequence[ast.stmt]) -> Iterator[ast.ImportFrom | ast.Import]:
    """Imports that run, or are read by a type checker, when a module is imported."""
    for node in body:
        if isinstance(node, ast.ImportFrom | ast.Import):
            yield node
        elif isinstance(node, ast.If | ast.Try):
            yield from at_module_level([*node.body, *node.orelse])


def import_graph() -> dict[str, set[str]]:
    """Modules of the package, and what each imports at module level."""
    modules = {
        ".".join(("langchain_memlora", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__"): path
        for path in files()
    }
    graph: dict[str, set[str]] = {}
    for module, path in modules.items():
        names: set[str] = set()
        for node in at_module_level(ast.parse(path.read_text(encoding="utf-8")).body):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            else:
                full = {f"{node.module}.{alias.name}" for alias in node.names}
                names |= {name if name in modules else str(node.module) for name in full}
        graph[module] = names & modules.keys() - {module}
    return graph


def test_no_import_circle() -> None:
    graph = import_graph()
    assert graph["langchain_memlora.memory.memory"] > {"langchain_memlora.memory.user_view"}
    list(TopologicalSorter(graph).static_order())  # raises a CycleError that names the circle


def test_files_are_short() -> None:
    long = {str(path.relative_to(ROOT)) for path in files() if path.read_text("utf-8").count("\n") > MAX_LINES}
    assert long <= {"memory/memory.py", "types.py"}  # the facade, and the data types: mostly docstrings


def test_error_tree_matches_docstring() -> None:
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
