"""Prompt lookup: much of what an expert writes is in its prompt, so the next tokens can be guessed from there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

NGRAM = 2


def guess(ids: Sequence[int], count: int) -> list[int]:
    """Return the tokens that followed an earlier occurrence of the last two; none if there was none.

    Args:
        count: Up to this many tokens.

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
    """Yield the tokens of greedy decoding, several at a step if guesses are right.

    Args:
        token: The first token written.
        ids: The prompt before it.
        ahead: Feeds tokens; returns the logits after each.
        take_back: Undoes the feeding of the last tokens.
        count: Guess up to this many, and only two more than were right the last time: wrong guesses cost time.
    """
    whole, most = [*ids, token], count
    yield token
    while True:
        guessed = guess(whole, most)
        chosen = ahead([whole[-1], *guessed]).argmax(-1).tolist()
        right = next((i for i, token in enumerate(guessed) if token != chosen[i]), len(guessed))
        take_back(len(guessed) - right)
        most = min(count, right + 2)
        whole += chosen[: right + 1]
        yield from chosen[: right + 1]
