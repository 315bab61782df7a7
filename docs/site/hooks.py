"""Additions to MkDocs: patterns in the navigation, links to source files, and the messages of each error class."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "langchain_memlora"
SOURCE = re.compile(r"\[([^\]]+)\]\(((?:\.\./)+[^)#]+)\)")
MESSAGES = re.compile(r"^<!-- messages: (\w+) -->$", re.MULTILINE)


def on_config(config: Any) -> Any:
    """Replace patterns in the navigation by the pages they match; a pattern without a page is dropped."""
    config.nav = _expanded(config.nav, Path(config.docs_dir))
    return config


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """List the messages of an error class at its marker; turn links to files outside the site into plain text."""
    folder = Path(page.file.abs_src_path).parent
    markdown = SOURCE.sub(lambda link: link[1] if _is_source(folder / link[2]) else link[0], markdown)
    known = messages() if MESSAGES.search(markdown) else {}
    return MESSAGES.sub(lambda asked: _listed(known[asked[1]]), markdown)


def messages() -> dict[str, list[str]]:
    """Return every message that the package raises, by error class; `…` stands for inserted values."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in PACKAGE.rglob("*.py"):
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Module):
                _collect(function, found)
    return defaultdict(list, {name: sorted(texts) for name, texts in found.items()})


def _collect(function: ast.AST, found: dict[str, set[str]]) -> None:
    """Collect `raise Error("...")`, or `msg = "..."` with the next `raise Error(msg)`, in the order of one function."""
    msg = ""
    inside = [n for n in ast.walk(function) if isinstance(n, ast.Assign | ast.Raise | ast.Return)]
    for node in sorted(inside, key=lambda n: (n.lineno, n.col_offset)):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "msg":
            msg = _text(node.value)
        call = getattr(node, "exc", None) or (node.value if isinstance(node, ast.Return) else None)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.args:
            said = msg if ast.unparse(call.args[0]) == "msg" else _text(call.args[0])
            if said and call.func.id.endswith("Error"):
                found[call.func.id].add(said)


def _text(node: ast.expr) -> str:
    """Return a message as it is in the code, with `…` for inserted values."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
    if isinstance(node, ast.BinOp):
        return _text(node.left) + _text(node.right)
    return "…"


def _is_source(path: Path) -> bool:
    """Check for a file or folder of the project outside the site; a missing file stays a broken link."""
    return path.exists() and ROOT / "docs" not in path.resolve().parents


def _listed(texts: list[str]) -> str:
    escaped = (re.sub(r"([*_<>`#])", r"\\\1", text) for text in texts if text.strip("… "))
    rows = "\n".join(f"    - {text}" for text in escaped)
    return f'??? note "Every message of this class"\n\n{rows}\n' if rows else ""


def _expanded(nav: Any, folder: Path) -> Any:
    if isinstance(nav, list):
        parts = (_expanded(item, folder) for item in nav)
        return [each for part in parts for each in (part if isinstance(part, list) else [part])]
    if isinstance(nav, dict):
        return {title: _expanded(item, folder) for title, item in nav.items()}
    if "*" in nav:
        return [page.relative_to(folder).as_posix() for page in sorted(folder.glob(nav))]
    return nav
