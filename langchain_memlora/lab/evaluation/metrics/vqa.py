"""Answers of one word: equal after lower-casing, with numbers as digits."""

from __future__ import annotations

NUMBERS = {
    word: str(number)
    for number, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
        "eighteen nineteen twenty".split()
    )
}


def same_answer(said: str, answer: str) -> bool:
    """Return whether two answers of one word are the same.

    Example:
        ```python
        from langchain_memlora.lab.evaluation.metrics.vqa import same_answer

        assert same_answer("Two.", "2")
        assert not same_answer("two dogs", "2")
        ```
    """
    return plain_answer(said) == plain_answer(answer)


def plain_answer(text: str) -> str:
    """Return the normal form of an answer."""
    word = " ".join(text.split()).strip(" .!\"'").lower()
    return NUMBERS.get(word, word)
