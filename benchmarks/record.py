"""Recorded figures in docs/recorded/, and the generated parts of pages that show them.

A generated part is between `<!-- generated: NAME -->` and `<!-- end -->`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RECORDED = ROOT / "docs" / "recorded"
PART = re.compile(r"(<!-- generated: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def read_figures(file: Path) -> Any:
    """Return the figures in a file; an empty dict if nothing was recorded yet."""
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def write_figures(file: Path, figures: Any) -> None:
    """Replace the figures in a file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a Markdown table; integers get thousands separators."""
    lines = [_row(head), "|" + "---|" * len(head), *map(_row, rows)]
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[Any]) -> str:
    return "| " + " | ".join(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in cells) + " |"


def fill(text: str, part: Callable[[str], str]) -> str:
    """Return a page's text with each generated part replaced by what `part` returns for its name."""
    return PART.sub(lambda match: match[1] + part(match[2]) + match[3], text)


def fill_page(page: Path, part: Callable[[str], str], *, write: bool = True) -> bool:
    """Generate the parts of a page again.

    Args:
        write: Write the page; otherwise only compare.

    Returns:
        Whether anything changed.
    """
    old = page.read_text(encoding="utf-8")
    new = fill(old, part)
    if write and new != old:
        page.write_text(new, encoding="utf-8")
    return new != old
