"""Find the sentence of a message that a fact was written from: the one that shares most content words with it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cached_property

from langchain_memlora.experts.grounding import Said, content_words
from langchain_memlora.experts.sentences import Sentence, cut_sentences

_REFERS_BACK = re.compile(
    r"\W*(?:he|she|it|they|him|her|them|his|hers|its|their|theirs|hes|shes|theyre)\b", re.IGNORECASE
)


class Origin:
    """The sentences of one message, in which facts are looked up.

    Example:
        ```python
        from langchain_memlora.experts.origin import Origin

        message = "Hi! I have a sister. She moved to Berlin. Any tips?"
        origin = Origin(message)
        number = origin.find("User's sister lives in Berlin")
        start, end = origin.offsets(number)
        assert message[start:end] == "I have a sister. She moved to Berlin."
        ```
    """

    def __init__(self, text: str, speaker: str = "") -> None:
        self.text = text
        self.sentences: Sequence[Sentence] = cut_sentences(text)
        self._speaker = speaker

    def find(self, fact: str, among: Iterable[int] | None = None) -> int | None:
        """Return the number of the sentence that shares most content words with a fact; `None` if none shares any.

        Of equal ones it is the one whose quotation shares most, then the first.

        Args:
            among: Numbers of the sentences to look at; default: all.
        """
        content = content_words(fact, self._speaker)
        if not content.difference(self._said.missing(fact)):
            return None
        numbers = list(range(len(self.sentences)) if among is None else among)
        shared = [content.difference(said.missing(fact)) for said in self._sentences_said]
        most = max(numbers, key=lambda n: (len(shared[n]), len(shared[self.first(n)] | shared[n])), default=None)
        return most if most is not None and shared[most] else None

    def first(self, number: int) -> int:
        """Return the number of the sentence that a quotation of one begins with.

        A sentence that begins with a third-person pronoun is quoted with the one before it.
        """
        return max(0, number - bool(_REFERS_BACK.match(self.sentences[number].text)))

    def offsets(self, number: int) -> tuple[int, int]:
        """Return the place in the message of a sentence and what is quoted with it."""
        return self.sentences[self.first(number)].start, self.sentences[number].end

    @cached_property
    def _said(self) -> Said:
        return Said([self.text])

    @cached_property
    def _sentences_said(self) -> list[Said]:
        return [Said([sentence.text]) for sentence in self.sentences]
