"""Recognition of a deleted detail in other texts.

A sentence repeats a detail in one of two ways.

* It holds one of the detail's values: a code or number of at least three digits, or what the detail says something is or is
  called ("my code is 4471", "a cat named Miso"). A value alone gives the detail away, so any mention of it counts, in any
  case and punctuation, and with its digits grouped or spelled.
* It says the same about the same person: it shares a name or number and another content word with the detail, or half of its
  content words, and speaks of the user or of the person that the detail is about. A sentence of nothing but the detail's
  key words and words of acknowledgement ("Porto, nice!") counts, too.

So "Porto has nice wine" does not repeat "User lives in Porto", and "My sister lives in Porto" does not either. The rules for
words are for English. Texts without spaces between words are compared by pairs of characters; codes and numbers are found in
any language.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from langchain_memlora.ledger import terms
from langchain_memlora.wordforms import CALENDAR, LIGHT, is_related, stem, values_of, words_of

SHARED = 0.5
"""The share of a detail's content words that a repetition holds, names and numbers counted twice."""
SHARED_BESIDE_VALUE = 0.6
"""The same for a repetition without the detail's value: a question about it is none."""
ENOUGH = 3
"""The weight of shared words that suffices for a longer detail, unless they are less than a quarter of it."""

_SENTENCE_END = re.compile(
    r"(?<!\bDr\.)(?<!\bMr\.)(?<!\bMs\.)(?<!\bSt\.)(?<!\bMrs\.)(?<!\bProf\.)(?<=[.!?;。！？])\s+|\n+|(?<=[。！？])"
)
_LABEL = re.compile(r'(?:^|(?<=" ))[^":\n]{1,80}: (?=")')
_RUN = re.compile(r"\d+|[^\W\d_]+")
_DATE_OR_TIME = re.compile(
    r"(?:1[89]|20)\d\d|\d{1,2}[:.]\d{2}(?:[ap]m|h)?|\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](?:\d\d){1,2}",
    re.IGNORECASE,
)
_AMOUNT = re.compile(
    r"\d{1,2}(?:[.,]\d{1,2})?(?:[^\W\d_]{1,5})?|\d+(?:st|nd|rd|th|[kmc]?[gml]|k?cal|min|h|%)", re.IGNORECASE
)
_ADDRESS = re.compile(r"\S+@\S+\.\S+|\w+://\S+|www\.\S+")
_EDGES = " .,;:!?…\"'“”„‘’«»()[]{}<>*`~|–—-#=+%$€£"
_IS = re.compile(
    r"^(?P<about>.*?)(?:\s(?:am|is|are|was|were|reads|says)(?:\s+(?:now|still|actually|really|just))?\s"
    r"|(?<=\bit|\bhe)['’]s\s|(?<=that|name|code|word)['’]s\s|(?<=\bI)['’]m\s|\s*[=:]\s+)(?P<value>.+)$",
    re.IGNORECASE,
)
_CALLED = re.compile(r"\b(?:called|named|nicknamed)\s+(?P<value>.+)$", re.IGNORECASE)
_VALUE_END = re.compile(
    r"[,;()]|\s(?:and|but|so|who|which|that|because|in|at|on|for|since|from|with|to)\s", re.IGNORECASE
)
_HELD = re.compile(
    r"\b(?:code|passcode|password|passphrase|pin|combination|combo|key|secret|word|number|no|name|nickname|surname|username|login|"
    r"handle|id|plate|account|address|e-?mail|phone|iban|answer|birthday|dob)\b",
    re.IGNORECASE,
)
"""Nouns whose value is private as it stands, also if it is a common word."""
_TITLES = frozenset("dr mr mrs ms miss prof professor sir st saint the a an my our your".split())
_DIGITS = {word: str(n) for n, word in enumerate("zero one two three four five six seven eight nine".split())} | {
    "oh": "0"
}
_SPELLED = re.compile(rf"\b(?:{'|'.join(_DIGITS)})\b")
_NOT_ALNUM = re.compile(r"[\W_]+")
_USER = frozenset("i me my mine myself you your yours yourself user we us our ours u ur im youre ive".split())
_OTHERS = frozenset("he she they him her them his hers their theirs".split())
_PERSONS = frozenset(
    "sister brother sibling mother mom mum father dad parent son daughter child kid baby twin wife husband spouse partner "
    "fiance fiancee girlfriend boyfriend friend neighbour neighbor colleague coworker boss manager teacher therapist doctor "
    "dentist roommate flatmate uncle aunt cousin niece nephew grandmother grandma grandfather grandpa grandson granddaughter "
    "landlord tutor coach nanny".split()
)
_ACKNOWLEDGED = frozenset(
    "ok okay noted got great nice lovely cool thanks thank yes yeah yep no sure right good wow ah oh hi hello hey remember "
    "saved see sounds sound beautiful well please understood alright perfect done glad happy know interesting amazing awesome "
    "correct exactly fine congratulations congrats forget delete erase remove forgotten deleted".split()
)


class Detail:
    """The statements of one text, to be found in others.

    Args:
        text: The text of a memory or message. Labels of speakers before quotations are left out.
        subjects: Names of those who speak about themselves in it.
        vague: Whether statements of a single content word without a value count; such a word may mean anything.

    Example:
        ```python
        from langchain_memlora.ledger.details import Detail

        code = Detail("User's alarm code is 4471")
        assert code.is_in("Got it: 44-71!")
        assert not code.is_in("What is my alarm code?")
        home = Detail("User lives in Porto")
        assert home.is_in("So you live in PORTO, nice.")
        assert not home.is_in("Porto has nice wine.")
        ```
    """

    def __init__(self, text: str, subjects: Iterable[str] = (), *, vague: bool = True) -> None:
        names = frozenset(word for name in subjects for word in _runs(name))
        found = [_Statement.of(sentence, names) for sentence in _sentences(_LABEL.sub("", text))]
        self._statements = [one for one in found if vague or one.values or len(one.words) > 1]

    def is_in(self, text: str, *, by_value: bool = False) -> bool:
        """Return whether a text repeats one of the statements; `by_value`, whether it holds one of their values."""
        low = terms.fold(text)
        likely = [statement for statement in self._statements if statement.may_be_in(low)]
        pairs = ((statement, sentence) for sentence in _read(text) for statement in likely) if likely else ()
        return any(one.is_value_in(sentence) if by_value else one.is_in(sentence) for one, sentence in pairs)


@dataclass(frozen=True, slots=True)
class _Sentence:
    """A sentence to be compared.

    Attributes:
        runs: Its runs of letters and of digits, folded.
        words: The forms under which each of its content words is compared.
    """

    runs: tuple[str, ...]
    words: tuple[frozenset[str], ...]


@dataclass(frozen=True, slots=True)
class _Statement:
    """One sentence of a detail.

    Attributes:
        values: What gives the detail away by itself, folded and without punctuation.
        words: The forms of its other content words, each with its weight.
    """

    values: frozenset[str]
    words: tuple[tuple[frozenset[str], int], ...]
    persons: frozenset[str]
    subjects: frozenset[str]

    @classmethod
    def of(cls, sentence: str, subjects: frozenset[str]) -> _Statement:
        words: dict[frozenset[str], int] = {}
        for word, is_name in words_of(sentence):
            for forms in _forms(word):
                if not forms & subjects:
                    known = word.lower().removesuffix("s") in CALENDAR
                    heavy = (is_name and not known) or sum(map(str.isdigit, word)) > 2
                    words[forms] = max(words.get(forms, 1), 2 if heavy else 1)
        persons = frozenset(person for forms in words for person in forms & _PERSONS)
        return cls(frozenset(_values(sentence, subjects)), tuple(words.items()), persons, subjects)

    def may_be_in(self, text: str) -> bool:
        """Return whether a folded text is worth reading: most are not, and this takes a few substring searches."""
        squeezed = _NOT_ALNUM.sub("", text)
        if any(value in squeezed or (value.isdigit() and _SPELLED.search(text)) for value in self.values):
            return True
        begun = [
            pair
            for pair in self.words
            if any(form[:3] in text or (len(form) < 3 and form.isdigit()) for form in pair[0])
        ]
        return len(begun) > 1 or any(pair in begun for pair in self._keys())

    def is_value_in(self, sentence: _Sentence) -> bool:
        return any(_holds(sentence.runs, value) for value in self.values)

    def is_in(self, sentence: _Sentence) -> bool:
        if self.is_value_in(sentence):
            return True
        shared = [(forms, weight) for forms, weight in self.words if any(_alike(forms, w) for w in sentence.words)]
        if not shared:
            return False
        others = [w for w in sentence.words if not any(_alike(forms, w) for forms, _ in shared)]
        if all(w & _ACKNOWLEDGED or w & _USER for w in others) and any(pair in shared for pair in self._keys()):
            return True
        if not self._is_about_the_same(sentence, shared):
            return False
        total, weight = sum(w for _, w in self.words), sum(w for _, w in shared)
        if len(self.words) > 1 and len(shared) < 2:
            return False
        share = SHARED_BESIDE_VALUE if self.values else SHARED
        return weight >= max(min(share * total, ENOUGH), total / 4)

    def _keys(self) -> Iterator[tuple[frozenset[str], int]]:
        """Yield the words that give the detail away where nothing else is said: names and numbers, else all but the first."""
        heavy = [pair for pair in self.words if pair[1] > 1]
        rest = self.words[1:] if len(self.words) > 1 else self.words
        yield from heavy or (pair for pair in rest if not pair[0] & CALENDAR)

    def _is_about_the_same(self, sentence: _Sentence, shared: list[tuple[frozenset[str], int]]) -> bool:
        runs = set(sentence.runs)
        persons = {person for w in sentence.words for person in w & _PERSONS}
        if persons - self.persons:
            return False
        if self.persons:
            return bool(persons or runs & _OTHERS or any(weight > 1 for _, weight in shared))
        if runs & _USER or runs & self.subjects or any(map(terms.is_unspaced, runs)):
            return True
        begin = sentence.words[0]
        return len(self.words) > 1 and bool(begin & _ACKNOWLEDGED or any(_alike(forms, begin) for forms, _ in shared))


@lru_cache(maxsize=4096)
def detail_of(text: str, subjects: tuple[str, ...]) -> Detail:
    """Return the detail of a text, which is compared with many others."""
    return Detail(text, subjects)


def drop_cached() -> None:
    """Drop the texts that are cached in RAM, because some of them are erased."""
    for cached in (detail_of, _read, _forms):
        cached.cache_clear()


def _sentences(text: str) -> list[str]:
    return [part for part in _SENTENCE_END.split(text) if part and not part.isspace()]


@lru_cache(maxsize=256)
def _read(text: str) -> tuple[_Sentence, ...]:
    """Return the sentences of a text, which is compared with several details in turn."""
    return tuple(
        _Sentence(tuple(_runs(part)), tuple(forms for word, _ in words_of(part) for forms in _forms(word)))
        for part in _sentences(_LABEL.sub("", text))
    )


def _runs(text: str) -> list[str]:
    return _RUN.findall(terms.fold(text))


@lru_cache(maxsize=4096)
def _forms(word: str) -> tuple[frozenset[str], ...]:
    """Return the forms of a content word, or of each pair of characters of one without spaces; none of a light word."""
    low = terms.fold(word)
    if not low or low in LIGHT or (len(low) < 2 and not low.isalnum()):
        return ()
    if terms.is_unspaced(low):
        return tuple(frozenset({pair}) for pair in terms.to_find(word) if len(pair) > 1)
    return (frozenset({low, stem(low), *values_of(low)}),)


def _alike(forms: frozenset[str], other: frozenset[str]) -> bool:
    return not forms.isdisjoint(other) or any(
        a[:4] == b[:4] and a.isalpha() and b.isalpha() and is_related(a, b) for a in forms for b in other if len(b) > 4
    )


def _holds(runs: tuple[str, ...], value: str) -> bool:
    """Return whether runs in a row make up a value; digits may be spelled."""
    if not value.isdigit():
        return _in_a_row(runs, value)
    return _in_a_row(tuple(_DIGITS.get(run, run) for run in runs), value)


def _in_a_row(runs: tuple[str, ...], value: str) -> bool:
    for at, run in enumerate(runs):
        if value.startswith(run):
            joined = run
            for other in runs[at + 1 :]:
                if len(joined) >= len(value):
                    break
                joined += other
            if joined == value:
                return True
    return False


def _values(sentence: str, subjects: frozenset[str]) -> Iterator[str]:
    """Yield the values of a sentence, without punctuation: codes, and what something is or is called."""
    small = ""
    for chunk in (*(part.strip(_EDGES) for part in sentence.split()), ""):
        small = small + chunk if chunk.isdigit() else ""
        if len(small) > 3 and not _DATE_OR_TIME.fullmatch(small):
            yield small
        digits = sum(char.isdigit() for char in chunk)
        if _ADDRESS.fullmatch(chunk) or (
            digits and not _DATE_OR_TIME.fullmatch(chunk) and not _AMOUNT.fullmatch(chunk) and len(_squeezed(chunk)) > 2
        ):
            yield _squeezed(chunk)
    for found, named in ((_CALLED.search(sentence), True), (_IS.match(sentence), False)):
        if found:
            yield from _stated(found["value"], subjects, private=named or bool(_HELD.search(found["about"])))
            return


def _stated(value: str, subjects: frozenset[str], *, private: bool) -> Iterator[str]:
    """Yield the values that a sentence states after "is" or "called": names, and anything where the noun makes it private."""
    value = _VALUE_END.split(value)[0].strip(_EDGES)
    words = [part.strip(_EDGES) for part in value.split()]
    words = [word for word in words if _squeezed(word) and _squeezed(word) not in _TITLES]
    if not words or len(words) > 6:
        return
    named = [word for word in words if word[0].isupper() and _squeezed(word) not in CALENDAR | LIGHT | subjects]
    whole = _squeezed("".join(words))
    if private and (len(whole) > 2 if whole.isdigit() else len(whole) > 1) and whole not in CALENDAR | LIGHT | subjects:
        yield whole
    if named == words and len(words) < 4:
        yield from (name for name in map(_squeezed, named) if len(name) > 2)


def _squeezed(text: str) -> str:
    return "".join(_runs(text))
