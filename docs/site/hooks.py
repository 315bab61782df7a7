"""What the site's build adds to MkDocs: patterns in the navigation, links to source files, every error message by its class."""

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
    """Put pages in the place of patterns; a pattern without a page is left out."""
    config.nav = _expanded(config.nav, Path(config.docs_dir))
    return config


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """List the messages of an error class where a page asks for them; name files that are not of the site, without a link."""
    folder = Path(page.file.abs_src_path).parent
    markdown = SOURCE.sub(lambda link: link[1] if _is_source(folder / link[2]) else link[0], markdown)
    known = messages() if MESSAGES.search(markdown) else {}
    return MESSAGES.sub(lambda asked: _listed(known[asked[1]]), markdown)


def messages() -> dict[str, list[str]]:
    """Every message that the package raises, by error class; `…` stands for what a message fills in."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in PACKAGE.rglob("*.py"):
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Module):
                _collect(function, found)
    return defaultdict(list, {name: sorted(texts) for name, texts in found.items()})


def _collect(function: ast.AST, found: dict[str, set[str]]) -> None:
    """`raise Error("...")`, or `msg = "..."` and the next `raise Error(msg)`, as they follow in one function."""
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
    """A message as it is written, with its gaps."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
    if isinstance(node, ast.BinOp):
        return _text(node.left) + _text(node.right)
    return "…"


def _is_source(path: Path) -> bool:
    """Whether this is a file or folder of the project that the site does not hold; what does not exist stays a broken link."""
    return path.exists() and ROOT / "docs" not in path.resolve().parents


def _listed(texts: list[str]) -> str:
    escaped = (re.sub(r"([*_<>`#])", r"\\\1", text) for text in texts if text.strip("… "))
    rows = "\n".join(f"    - {text}" for text in escaped)
    return f'??? note "Every message of this kind"\n\n{rows}\n' if rows else ""


def _expanded(nav: Any, folder: Path) -> Any:
    if isinstance(nav, list):
        parts = (_expanded(item, folder) for item in nav)
        return [each for part in parts for each in (part if isinstance(part, list) else [part])]
    if isinstance(nav, dict):
        return {title: _expanded(item, folder) for title, item in nav.items()}
    if "*" in nav:
        return [page.relative_to(folder).as_posix() for page in sorted(folder.glob(nav))]
    return nav
