"""Makes rows of labelled messages: the prompt of each sentence, and its label.

Facts are written in full, so their words say what a sentence lacks: one whose facts have a name from the message before can't
be understood alone.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from langchain_memlora.bundles.bundle import Bundle
from langchain_memlora.bundles.roles import Role
from langchain_memlora.errors import InvalidInputError
from langchain_memlora.experts.prompts import render
from langchain_memlora.experts.sentence_prompt import (
    ALONE,
    BEFORE,
    CONTEXT,
    EARLIER,
    FORGET,
    LATER,
    NONE,
    sentence_prompt,
)
from langchain_memlora.lab.training.messages import LabelledMessage, LabelledSentence

NAMED = 0.12
"""Share of the training rows in which the user has a name, as speakers have at run time."""

NAMES = (
    "Ana Ben Chidi Dalia Emre Farah Goran Hana Ines Jonas Keiko Luca Mina Noor Oskar Priya Rosa Sven Tariq Uma Vera Wei Yara "
    "Zoe"
).split()
_LIGHT = frozenset(
    "user users a an the and or but of to in on at for with from by as is are was were be been being am has have had having do "
    "does did not no nor wants want wanted will would can could should may might must named called name s t re ve ll d m their "
    "them they his her him he she it its this that these those there who which what when where than then also too own about "
    "into over so very more one".split()
)
_PRONOUNS = frozenset("he she it they him her them his hers their theirs this that these those there its ones".split())
_FIRST_PERSON = frozenset("i we my our me us".split())
_WORD = re.compile(r"[A-Za-z0-9À-ɏͰ-ӿ]+(?:[.,:/-]\d+)*")
_POSSESSIVE = re.compile(r"['’]s\b")
_STEM_LETTERS = 5
_TERSE = 6
"""Words up to which a sentence without the first person is elliptic, even with a name: "In Graz, since June."."""


@dataclass(frozen=True, slots=True)
class ChoiceRow:
    """The prompts of a message's sentences, and the label of each."""

    prompts: tuple[str, ...]
    labels: tuple[str, ...]


def choice_rows(
    bundle: Bundle, messages: Iterable[LabelledMessage], *, named: float = NAMED, seed: int = 0
) -> list[ChoiceRow]:
    """Return a row for each message.

    Args:
        named: Share of the rows in which a first name replaces the role `user`; 0 for validation.
        seed: Random seed of the names.
    """
    rng = random.Random(seed)
    rows = []
    for message in messages:
        user = rng.choice(NAMES) if rng.random() < named else "user"
        before = [(user if said.role == "user" else said.role, said.content) for said in message.context]
        prompts = tuple(
            render(bundle, Role.EXTRACTION, **sentence_prompt(before, user, message.message, sentence.text))
            for sentence in message.sentences
        )
        rows.append(ChoiceRow(prompts, sentence_labels(message)))
    return rows


def sentence_labels(message: LabelledMessage) -> tuple[str, ...]:
    """Return the label of each sentence of a message.

    Example:
        ```python
        from langchain_memlora.lab.training.choices import sentence_labels
        from langchain_memlora.lab.training.messages import LabelledMessage, LabelledSentence

        sentences = (
            LabelledSentence("I have a dog, Bruno.", ("User has a dog named Bruno",)),
            LabelledSentence("He is nine.", ("Bruno is nine",)),
        )
        message = LabelledMessage("m-1", "I have a dog, Bruno. He is nine.", sentences)
        assert sentence_labels(message) == ("alone", "before")
        ```
    """
    return tuple(_label(message, number) for number in range(len(message.sentences)))


def _label(message: LabelledMessage, number: int) -> str:
    sentence = message.sentences[number]
    # A correction in a message that states nothing, for instance in a text to translate, corrects nothing that is kept.
    if sentence.later is not None and message.sentences[sentence.later].facts:
        return LATER
    if sentence.facts:
        return _needed(message, number)
    return FORGET if sentence.forget else NONE


def _needed(message: LabelledMessage, number: int) -> str:
    """Return the place with most of the words that a sentence's facts take from outside of it."""
    sentence = message.sentences[number]
    here = _stems(sentence.text)
    missing = {word for fact in sentence.facts for word in _content(fact) if not _is_said(word, here)}
    texts = [other.text for other in message.sentences]
    places = {  # of equal ones the first is chosen
        BEFORE: texts[max(0, number - 1) : number],
        EARLIER: texts[:number],
        CONTEXT: [said.content for said in message.context],
        ALONE: texts[number + 1 :],  # nothing widens a span to a later sentence but a correction
    }
    stems = {_stem(word) for word in missing}
    found = {place: len(stems & _stems(*said)) for place, said in places.items()}
    words = [word.casefold() for word in _WORD.findall(sentence.text)]
    is_elliptic = len(words) <= _TERSE and _FIRST_PERSON.isdisjoint(words)
    refers = is_elliptic or not _PRONOUNS.isdisjoint(words)
    lacks_name = any(word[0].isupper() or word[0].isdigit() for word in missing)
    if not any(found.values()) or not (refers or lacks_name or not _has_name(sentence, here)):
        return ALONE
    return max(found, key=found.__getitem__)


def _has_name(sentence: LabelledSentence, here: frozenset[str]) -> bool:
    """Return whether the sentence has a name: a capitalised word of a fact that does not begin the fact."""
    inner = [word for fact in sentence.facts for word in _content(fact)[1:]]
    return any(word[0].isupper() and word != "I" and _stem(word) in here for word in inner)


def _content(fact: str) -> list[str]:
    return [word for word in _WORD.findall(_POSSESSIVE.sub(" ", fact)) if word.casefold() not in _LIGHT]


def _is_said(word: str, stems: frozenset[str]) -> bool:
    stem = _stem(word)
    return stem in stems or any(other.startswith(stem[:_STEM_LETTERS]) for other in stems)


def _stems(*texts: str) -> frozenset[str]:
    return frozenset(_stem(word) for text in texts for word in _WORD.findall(text))


@lru_cache(maxsize=100_000)
def _stem(word: str) -> str:
    return _stemmer().stemWord(word.casefold())


@cache
def _stemmer() -> Any:
    try:
        import snowballstemmer
    except ImportError as error:
        msg = "snowballstemmer is not installed. Run `pip install 'langchain-memlora[train]'`."
        raise InvalidInputError(msg) from error
    return snowballstemmer.stemmer("english")
