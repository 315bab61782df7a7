"""The share of a text that asks."""

from __future__ import annotations

import re

_MARKS = "?？؟"
_SENTENCE = re.compile(rf"[^.!。！\n{_MARKS}]+[.!。！{_MARKS}]*")


def question_share(text: str) -> float:
    """Return the share of a text's characters in sentences that end with a question mark, from 0 to 1.

    Example:
        ```python
        from langchain_memlora.retrieval.questions import question_share

        assert question_share("I moved. And you?") == 9 / 17
        ```
    """
    sentences = _SENTENCE.findall(text)
    asked = sum(len(sentence) for sentence in sentences if not set(_MARKS).isdisjoint(sentence))
    return asked / max(1, sum(map(len, sentences)))
