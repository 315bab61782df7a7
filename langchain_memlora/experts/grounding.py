"""Check that a fact says nothing its sources do not say, and that facts together say all of a span.

Names, numbers and codes must be in the sources as they are; other words up to inflection, derivation, one typo and the
abbreviations of chats. A negation must be in both or in neither. The check is lexical: words put together wrongly pass it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from langchain_memlora.experts.negation import adds_negation, clauses_of, is_denial, loses_negation
from langchain_memlora.wordforms import (
    ABBREVIATIONS,
    CALENDAR,
    LETTERS,
    LIGHT,
    LONGEST,
    NUMERIC,
    is_related,
    stem,
    values_of,
    words_of,
)

NEGATION = "negation"
"""Stands for a negation that was lost or added in the result of `ungrounded`."""

_VAGUE = frozenset("one first second third".split())
"""Numbers that often count nothing: "the second one"."""
_AMOUNT = re.compile(r"(\d[\d.,:]*?)(?:([^\W\d_]{1,6})|[-–/x](\d[\d.,:]*))[.]?")
"""A number with its unit, or a range of two numbers: "12kg", "9-17"."""
_ORDINAL_ENDS = frozenset({"", "st", "nd", "rd", "th"})
_SENTENCE = re.compile(r"[^.!?\n]+[.!?]*")


def is_grounded(fact: str, *sources: str) -> bool:
    """Check that a fact's words, names, numbers and negations are all in its sources.

    Args:
        fact: A sentence about the user.
        sources: The span it was written from, and the messages around it.

    Example:
        ```python
        from langchain_memlora.experts.grounding import is_grounded

        message = "my sis Ana moved to Porto on tues, she doesnt eat pork"
        assert is_grounded("User's sister Ana moved to Porto on Tuesday", message)
        assert is_grounded("Ana does not eat pork", message)
        assert not is_grounded("Ana eats pork", message)
        assert not is_grounded("User's sister Ana lives in Lisbon", message)
        ```
    """
    return not ungrounded(fact, *sources)


def ungrounded(fact: str, *sources: str) -> list[str]:
    """Return the words of a fact that no source holds, and `negation` where one was lost or added.

    Example:
        ```python
        from langchain_memlora.experts.grounding import ungrounded

        assert ungrounded("User owes 12,450 to Lena", "I owe Lena 12,540") == ["12,450"]
        assert ungrounded("User eats pork", "I don't eat pork") == ["negation"]
        ```
    """
    missing = list(Said(sources).missing(fact))
    if loses_negation(fact, sources) or adds_negation(fact, sources):
        missing.append(NEGATION)
    return missing


def content_words(fact: str, speaker: str = "") -> frozenset[str]:
    """Return the words of a fact without light words, negations and its speaker's name.

    Example:
        ```python
        from langchain_memlora.experts.grounding import content_words

        assert content_words("Ana does not eat pork", "Ana") == {"eat", "pork"}
        ```
    """
    names = {word.lower() for word, _ in words_of(speaker)}
    found = (word for word, _ in words_of(fact) if word)
    return frozenset(
        word for word in found if not (word.lower() in LIGHT or word.lower() in names or is_denial(word.lower()))
    )


def covers(facts: Iterable[str], span: str) -> bool:
    """Check that facts together hold the names, numbers and negations of a span.

    Example:
        ```python
        from langchain_memlora.experts.grounding import covers

        span = "Ana has two boys and doesn't drive"
        assert covers(["User's friend Ana has two boys", "Ana does not drive"], span)
        assert not covers(["User's friend Ana has two boys"], span)
        ```
    """
    facts = list(facts)
    written = Said(facts)
    for word, is_name in words_of(span):
        counted = word[0].isdigit() or (values_of(word) and word.lower() not in _VAGUE)
        if (is_name or counted) and not written.holds(word, True):
            return False
    denied = {one for fact in facts for clause in clauses_of(fact) for one in clause.after}
    statements = (part for part in _SENTENCE.findall(span) if not part.endswith("?"))
    return all(
        denied.intersection(clause.after) or not clause.near
        for part in statements
        for clause in clauses_of(part)
        if clause.kind in {"verb", "other"} and not clause.corrected
    )


class Said:
    """The words of some texts, in every form in which they may be told again.

    Example:
        ```python
        from langchain_memlora.experts.grounding import Said

        assert list(Said(["my sis Ana moved to Porto"]).missing("User's sister Ana lives in Porto")) == ["lives"]
        ```
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self.words: set[str] = set()
        for text in texts:
            for word, _ in words_of(text):
                self._add(word.lower())
        self.stems = {stem(word) for word in self.words}
        self.values = {value for word in self.words for value in values_of(word)}

    def _add(self, word: str) -> None:
        self.words.add(word)
        self.words.update(ABBREVIATIONS.get(word, ()))
        if any(letter.isdigit() for letter in word):
            self.words.update(NUMERIC.findall(word))
            self.words.update(LETTERS.findall(word))

    def missing(self, fact: str) -> Iterator[str]:
        """Yield the words of a fact that the texts do not hold; negations are not compared."""
        words = list(words_of(fact))
        lower = ["", *(word.lower() for word, _ in words), ""]
        for at, (word, is_name) in enumerate(words, 1):
            # "on call" may have been written as one word.
            joined = {lower[at - 1] + lower[at], lower[at] + lower[at + 1]}
            if not (self.holds(word, is_name) or joined & self.words):
                yield word

    def holds(self, word: str, is_name: bool) -> bool:
        """Check that a word was said; a name exactly."""
        low = word.lower()
        if not low or low in self.words or is_denial(low) or (low in LIGHT and not is_name):
            return True
        if values_of(low) & self.values:
            return True
        if any(letter.isdigit() for letter in low):
            parts = _AMOUNT.fullmatch(low)
            return parts is not None and all(
                part in _ORDINAL_ENDS or self.holds(part, True) for part in parts.groups("")
            )
        if is_name and low.removesuffix("s") not in CALENDAR:
            return low.removesuffix("s") in self.words or low + "s" in self.words
        return stem(low) in self.stems or any(is_related(low, other) for other in self.words if len(other) <= LONGEST)
