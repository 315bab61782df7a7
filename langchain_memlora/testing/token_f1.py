"""F1 of two token lists, which callers split in their own way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence


def token_f1(predicted: Sequence[str], gold: Sequence[str]) -> float:
    """Return the harmonic mean of precision and recall over tokens, each counted as often as it occurs.

    Example:
        ```python
        from langchain_memlora.testing.token_f1 import token_f1

        assert token_f1(["in", "may", "2023"], ["may", "2023"]) == 0.8
        ```
    """
    shared = (Counter(predicted) & Counter(gold)).total()
    return 2 * shared / (len(predicted) + len(gold)) if shared else 0.0
