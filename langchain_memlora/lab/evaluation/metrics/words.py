"""Words of the overlap metrics: LoCoMo's normalisation and the Porter stemmer."""

from __future__ import annotations

import re
import string
from functools import cache, lru_cache
from typing import Any

from langchain_memlora.errors import InvalidInputError

_ARTICLES = re.compile(r"\b(?:a|an|the|and)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalize(text: str) -> str:
    """Return a text in lower case without punctuation, articles and `and`, as LoCoMo's scorer does."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def stems(text: str) -> list[str]:
    """Return the stemmed words of a text, in order.

    Example:
        ```python
        from langchain_memlora.lab.evaluation.metrics.words import stems

        assert stems("The hobbies, and a dog!") == ["hobbi", "dog"]
        ```
    """
    return [stem(word) for word in normalize(text).split()]


@lru_cache(maxsize=100_000)
def stem(word: str) -> str:
    """Return Porter's stem of a lower-case word."""
    return _stemmer().stemWord(word)


@cache
def _stemmer() -> Any:
    try:
        import snowballstemmer
    except ImportError as error:
        msg = "snowballstemmer is not installed. Run `pip install 'langchain-memlora[evaluate]'`."
        raise InvalidInputError(msg) from error
    return snowballstemmer.stemmer("porter")
