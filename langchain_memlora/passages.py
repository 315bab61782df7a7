"""Passages of long texts: what a search compares, and what a prompt shows of a text that is too long for it."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise

from langchain_memlora.tokens import Count, clip, tokens_at_most

SEARCHED = 400
"""Tokens of the passages that the second stage of searches compares; its models read about 500."""
SHOWN = 90
"""Tokens of a long text that a prompt shows, about 360 characters."""
_ASKED = 4000
"""Characters of a query that are compared."""
_SENTENCE = re.compile(r"[^.!?。！？\n]*[.!?。！？\n]*\s*")
_WORD = re.compile(r"\w+")


@lru_cache(256)
def passages(text: str, limit: int = SEARCHED) -> tuple[str, ...]:
    """Cut a text into passages of up to `limit` tokens, at ends of sentences if possible; a short text is one passage."""
    if tokens_at_most(text) <= limit:
        return (text,)
    found: list[str] = []
    passage, size = "", 0
    for piece in _pieces(text, limit):
        tokens = tokens_at_most(piece)
        if passage and size + tokens > limit:
            found.append(passage.strip())
            passage, size = "", 0
        passage += piece
        size += tokens
    return tuple(filter(None, [*found, passage.strip()]))


def passage_for(text: str, query: str, limit: int = SEARCHED) -> str:
    """Return the passage that shares most with a query; words in few passages count more. The first one, if none does."""
    parts = passages(text, limit)
    if len(parts) == 1:
        return parts[0]
    asked = _terms(query[:_ASKED])
    shared = [asked & _terms(part) for part in parts]
    holding = Counter(term for terms in shared for term in terms)
    weights = [sum(_weight(holding[term], len(parts)) for term in terms) for terms in shared]
    return parts[weights.index(max(weights))]


def shown_for(text: str, query: str, limit: int = SHOWN, count: Count = tokens_at_most) -> str:
    """Return what to show of a text for a query: all of it if it is short, else its best passage between dots."""
    if count(text) <= limit:
        return text
    passage = passage_for(text, query, limit)
    before, after = not text.lstrip().startswith(passage), not text.rstrip().endswith(passage)
    return clip(f"{'... ' * before}{passage}{'...' * after}", limit + 4, count)


def _pieces(text: str, limit: int) -> Iterator[str]:
    """Yield sentences; longer ones in halves that fit."""
    waiting = [found[0] for found in _SENTENCE.finditer(text) if found[0]][::-1]
    while waiting:
        piece = waiting.pop()
        if len(piece) < 2 or tokens_at_most(piece) <= limit:
            yield piece
            continue
        middle = len(piece) // 2
        middle = piece.rfind(" ", middle // 2, middle) + 1 or middle
        waiting += [piece[middle:], piece[:middle]]


def _terms(text: str) -> set[str]:
    """Return the words of a text in their first letters, and pairs of characters where words are not told apart by spaces."""
    found: set[str] = set()
    for word in _WORD.findall(text.casefold()):
        found.add(word[:6])
        if not word.isascii():
            found.update(a + b for a, b in pairwise(word))
    return found


def _weight(holding: int, parts: int) -> float:
    return math.log(1 + parts / holding)
