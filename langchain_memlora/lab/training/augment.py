"""Changes labelled messages at random, text and labels alike, so that names, style and neighbours vary while training.

A message gets other names and numbers, sentences of other messages in between, or the style of chats and dictation. A change
that would unground a fact or alter a label is dropped; `later` points to the same sentence as before.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import replace

from langchain_memlora.experts.grounding import is_grounded
from langchain_memlora.lab.training.choices import sentence_labels
from langchain_memlora.lab.training.inserting import donors, insert_sentences
from langchain_memlora.lab.training.messages import LabelledMessage
from langchain_memlora.lab.training.restyling import restyle
from langchain_memlora.lab.training.substitutes import KINDS

RENAMED, INSERTED, RESTYLED = 0.7, 0.4, 0.4
"""Probabilities of each kind of change in a message that is changed."""

_NAME = re.compile(r"\b[^\W\d_]+")
_NUMBER = re.compile(r"(?<![\w.,:/\-–'’+@&=#])\d{1,6}(?![\w:/\-–%'’@&=]|[.,]\d)")
"""A whole number that is no part of a code, a date, a time or an address."""
_YEARS = range(1900, 2101)
_TRIES = 20


def augmented(messages: Sequence[LabelledMessage], share: float, seed: int = 0) -> list[LabelledMessage]:
    """Return the messages, a share of them replaced by changed copies with the same id.

    Args:
        messages: Training messages. Sentences that are inserted come from them, too.
        share: Probability, from 0 to 1, that a message is changed. Some have nothing to change.
        seed: Random seed.

    Example:
        ```python
        from langchain_memlora.lab.training.augment import augmented
        from langchain_memlora.lab.training.messages import LabelledMessage, LabelledSentence

        sentences = (LabelledSentence("Lena moved to Porto.", ("User's friend Lena moved to Porto",)),)
        message = LabelledMessage("m-1", "Lena moved to Porto.", sentences)
        (changed,) = augmented([message], 1.0, seed=1)
        print(changed.message, changed.sentences[0].facts)
        ```
    """
    if share <= 0:
        return list(messages)
    rng = random.Random(f"augment {seed}")
    questions, statements = donors(messages)
    made = []
    for message in messages:
        changed = message
        if rng.random() < share:
            if rng.random() < RENAMED:
                changed = rename(changed, rng)
            if rng.random() < INSERTED:
                changed = insert_sentences(changed, questions, statements, rng)
            if rng.random() < RESTYLED:
                changed = restyle(changed, rng)
        made.append(changed if changed is message or is_as_grounded(message, changed) else message)
    return made


def is_as_grounded(before: LabelledMessage, after: LabelledMessage) -> bool:
    """Return whether a changed message has no more ungrounded facts than the original."""
    return (new := _ungrounded(after)) == 0 or new <= _ungrounded(before)


def _ungrounded(message: LabelledMessage) -> int:
    sources = (message.message, *(said.content for said in message.context))
    return sum(not is_grounded(fact, *sources) for sentence in message.sentences for fact in sentence.facts)


def rename(message: LabelledMessage, rng: random.Random) -> LabelledMessage:
    """Replace first names, cities, days, months and whole numbers, each by another one that is the same everywhere.

    First names keep their gender and numbers their magnitude. Parts of longer names, and years, stay.
    """
    texts = [message.message, *(before.content for before in message.context)]
    for sentence in message.sentences:
        texts += [*sentence.facts, sentence.forget]
    everything = "\n".join(texts)
    known = everything.casefold()
    new: dict[str, str] = {}
    for word in dict.fromkeys(_NAME.findall(everything)):
        kind = next((kind for kind in KINDS if word in kind), frozenset[str]())
        others = [other for other in sorted(kind) if other.casefold() not in known]
        if others and not _in_longer_name(word, everything):
            new[word] = rng.choice(others)
            known += new[word].casefold()
    numbers = dict.fromkeys(_NUMBER.findall(everything))
    for number in numbers:
        if number[0] != "0" and number != "1" and int(number) not in _YEARS:
            new[number] = _other_number(number, {*numbers, *new.values()}, rng)
    cased = {form(old): form(other) for old, other in new.items() for form in (str, str.lower, str.upper)}
    names = "|".join(sorted((old for old in cased if not old.isdigit()), key=len, reverse=True)) or "(?!)"
    pattern = re.compile(rf"(?<![\w@#.])(?:{names})(?=(?:['’]?s)?\b)|{_NUMBER.pattern}")

    def changed(text: str) -> str:
        return pattern.sub(lambda found: cased.get(found[0], found[0]), text)

    renamed = replace(
        message,
        message=changed(message.message),
        context=tuple(replace(before, content=changed(before.content)) for before in message.context),
        sentences=tuple(
            replace(
                sentence,
                text=changed(sentence.text),
                facts=tuple(map(changed, sentence.facts)),
                forget=changed(sentence.forget),
            )
            for sentence in message.sentences
        ),
    )
    return renamed if sentence_labels(renamed) == sentence_labels(message) else message


def _in_longer_name(word: str, text: str) -> bool:
    """Return whether a capitalised word is beside the name: "Lena Fischer", "Aunt Lena", "Black Friday"."""
    after = re.search(rf"\b{word}[ -](?!I\b|User\b)[A-Z]", text)
    return bool(after or re.search(rf"(?<=[a-z,] )[A-Z][\w.]*[ -]{word}\b", text))


def _other_number(number: str, taken: set[str], rng: random.Random) -> str:
    """Return another number with as many digits and as many zeros at the end; hours, days and months stay possible ones."""
    head = number.rstrip("0")
    ranges = [range(2, 13), range(13, 29), range(10 ** (len(head) - 1), 10 ** len(head))]
    values = next(values for values in ranges if int(number) in values or values is ranges[-1])
    for _ in range(_TRIES):
        value = rng.choice(values)
        other = str(value) if values is not ranges[-1] else str(value) + number[len(head) :]
        if other not in taken and int(other) not in _YEARS and int(other) > 1:
            return other
    return number
