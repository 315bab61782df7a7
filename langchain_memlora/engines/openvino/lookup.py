"""Prompt lookup: much of what an expert writes stands in its prompt, so what comes next can be guessed from there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

NGRAM = 2


def guess(ids: Sequence[int], count: int) -> list[int]:
    """What followed the last two tokens where they stood before; nothing if they never did.

    Args:
        count: At most so many tokens.

    Example:
        ```python
        from langchain_memlora.engines.openvino.lookup import guess

        assert guess([1, 2, 3, 4, 1, 2], count=2) == [3, 4]
        ```
    """
    last = list(ids[-NGRAM:])
    for start in range(len(ids) - NGRAM - 1, -1, -1):
        if list(ids[start : start + NGRAM]) == last:
            return list(ids[start + NGRAM : start + NGRAM + count])
    return []


def look_ahead(
    token: int,
    ids: Sequence[int],
    ahead: Callable[[Sequence[int]], np.ndarray],
    take_back: Callable[[int], None],
    count: int,
) -> Iterator[int]:
    """The tokens that greedy decoding writes, several at a step where guesses hold.

    Args:
        token: The first token written.
        ids: The prompt before it.
        ahead: Feeds tokens; gives the logits after each.
        take_back: Undoes the feeding of the last tokens.
        count: Guess at most so many, and only two more than were right the last time: a wrong guess costs, too.
    """
    whole, bold = [*ids, token], count
    yield token
    while True:
        guessed = guess(whole, bold)
        chosen = ahead([whole[-1], *guessed]).argmax(-1).tolist()
        right = next((i for i, token in enumerate(guessed) if token != chosen[i]), len(guessed))
        take_back(len(guessed) - right)
        bold = min(count, right + 2)
        whole += chosen[: right + 1]
        yield from chosen[: right + 1]
