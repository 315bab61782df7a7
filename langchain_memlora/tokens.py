"""Counting and clipping of text in tokens, without a tokenizer.

What is shown to a model has to be short in its tokens, not in characters: a character of Chinese or an emoji may be several.
`tokens_at_most` needs no tokenizer, and so cuts texts the same way for training and inference, whatever the engine.
"""

from __future__ import annotations

import re
from collections.abc import Callable

Count = Callable[[str], int]
_PIECE = re.compile(r"[a-z]{19,}|[A-Z]?[a-z]{1,6}|[A-Z]{1,2}|[^\S ]| {2,}| (?=\d)|[^\sA-Za-z]")
_ELLIPSIS = "..."


def tokens_at_most(text: str) -> int:
    """Return a number of tokens that a text hardly exceeds with a byte-level tokenizer: each costs time in proportion.

    Six letters of ASCII count as a token, digits and signs as one each, other characters as many as they have bytes, and runs
    of letters that are no word half as many as they are long.

    Example:
        ```python
        from langchain_memlora.tokens import tokens_at_most

        assert tokens_at_most("I moved to Berlin.") == 5
        assert tokens_at_most("我搬到了柏林。") == 21
        ```
    """
    pieces = _PIECE.findall(text)
    longer = sum(len(piece) // 2 for piece in pieces if len(piece) > 18)
    return len(pieces) + longer + len(text.encode("utf-8", "surrogatepass")) - len(text)


def clip(text: str, limit: int, count: Count = tokens_at_most, *, keep_end: bool = False) -> str:
    """Shorten a text to a number of tokens, at a space if possible; what is left out is marked by dots.

    Args:
        keep_end: Leave out the beginning instead of the end.

    Example:
        ```python
        from langchain_memlora.tokens import clip

        assert clip("I moved to Berlin last week.", 6) == "I moved to..."
        ```
    """
    if len(text) <= limit and text.isascii():  # no token is shorter than a byte
        return text
    most = text[-8 * limit :] if keep_end else text[: 8 * limit]  # a token seldom has more characters
    if len(most) == len(text) and count(text) <= limit:
        return text
    low, high, dots = 0, len(most), count(_ELLIPSIS)
    while low < high:
        middle = (low + high + 1) // 2
        part = most[-middle:] if keep_end else most[:middle]
        fits = count(part) + dots <= limit
        low, high = (middle, high) if fits else (low, middle - 1)
    if low == 0:
        return ""
    part = most[-low:] if keep_end else most[:low]
    if keep_end:
        space = part.find(" ", 0, len(part) // 4)
        return f"{_ELLIPSIS} {part[max(space, 0) :].lstrip()}"
    space = part.rfind(" ", 3 * len(part) // 4)
    return f"{(part if space < 0 else part[:space]).rstrip()}{_ELLIPSIS}"
