"""Parts of a report, rendered as Markdown and as HTML."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#222}
table{border-collapse:collapse;margin:1rem 0}td,th{padding:.25rem .7rem;border-bottom:1px solid #ddd;text-align:right}
td:first-child,th:first-child,.words td,.words th{text-align:left}img{max-width:100%}"""


@dataclass(frozen=True, slots=True)
class Text:
    """A heading or a paragraph."""

    words: str
    kind: Literal["h1", "h2", "p"] = "p"


@dataclass(frozen=True, slots=True)
class Grid:
    """A table; the first column names the rows; the others are numbers unless `words` is set."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """A plot in the folder of the page."""

    file: str
    caption: str


Part = Text | Grid | Picture


def to_markdown(parts: Sequence[Part]) -> str:
    """Render parts as Markdown."""
    return "\n\n".join(_markdown(part) for part in parts) + "\n"


def to_html(parts: Sequence[Part]) -> str:
    """Render parts as one HTML page that needs only its pictures."""
    title = next((html.escape(part.words) for part in parts if isinstance(part, Text)), "")
    body = "\n".join(_html(part) for part in parts)
    head = f'<meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}\n</body></html>\n'


def _markdown(part: Part) -> str:
    match part:
        case Text(words, kind):
            return {"h1": "# ", "h2": "## ", "p": ""}[kind] + words
        case Grid(head, rows, words):
            lines = [head, ["---", *["---" if words else "---:"] * (len(head) - 1)], *rows]
            return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
        case Picture(file, caption):
            return f"![{caption}]({file})"


def _html(part: Part) -> str:
    match part:
        case Text(words, kind):
            return f"<{kind}>{html.escape(words)}</{kind}>"
        case Grid(head, rows, words):
            style = ' class="words"' if words else ""
            top = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
            body = "".join("<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in row) + "</tr>" for row in rows)
            return f"<table{style}><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
        case Picture(file, caption):
            words = html.escape(caption)
            return f'<figure><img src="{html.escape(file)}" alt="{words}"><figcaption>{words}</figcaption></figure>'
