"""Removal of a reasoning model's thinking from its messages: it is not said to anyone."""

from __future__ import annotations

import re

_TAG = re.compile(r"<\s{0,4}(/?)\s{0,4}(?:think|thinking|thought|reasoning)\b[^<>]*>", re.IGNORECASE)


def strip_thinking(text: str) -> str:
    """Return an assistant's text without what is between `<think>`, `<thinking>`, `<thought>` or `<reasoning>` tags.

    An opening tag without a closing one removes the rest, and a closing tag without an opening one removes what is before
    it, since some templates put the opening tag into the prompt. A tag alone in backticks is only mentioned, and stays.

    Example:
        ```python
        from langchain_memlora.intake.thinking import strip_thinking

        assert strip_thinking("<think>The user is Ana.</think> Hello Ana!") == "Hello Ana!"
        assert strip_thinking("The tag `<think>` is not part of HTML.") == "The tag `<think>` is not part of HTML."
        ```
    """
    kept: list[str] = []
    start, thinking = 0, False
    for tag in _TAG.finditer(text):
        if not thinking and _is_mentioned(text, tag):
            continue
        if not thinking and not tag[1]:
            kept.append(text[start : tag.start()])
        thinking = not tag[1] and not tag[0].endswith("/>")
        start = tag.end()
    if not thinking:
        kept.append(text[start:])
    return "\n".join(part for part in map(str.strip, kept) if part) if start else text


def _is_mentioned(text: str, tag: re.Match[str]) -> bool:
    return text[: tag.start()].endswith("`") and text.startswith("`", tag.end())
