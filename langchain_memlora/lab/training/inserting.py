"""Inserts sentences of other messages into a labelled message.

Inserted sentences are understood anywhere and change the meaning of no neighbour: questions that state nothing, and short
statements of the user about the user alone. Statements go only behind a sentence that states something, in a message without
quotations: within a text that the user pasted they would be the words of another.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from langchain_memlora.experts.grounding import is_grounded
from langchain_memlora.experts.sentence_prompt import ALONE, BEFORE, EARLIER, FORGET, NONE
from langchain_memlora.lab.training.choices import sentence_labels
from langchain_memlora.lab.training.messages import LabelledMessage, LabelledSentence

MARKUP = re.compile(r"[\"“”„«»>`*#|\n]|(?<!\w)['‘]|['’](?!\w)")
"""Signs of quotations, code and lists."""
_WORDS = range(4, 15)
_REFERRING = re.compile(
    r"\b(?:s?he|it|they|him|hers?|them|his|its|theirs?|th[ai]t|this|these|those|there|ones?|my|our|mine|ours|we|us|so|then|also"
    r"|too|else|same|another|other|instead|and|but|or)\b",
    re.IGNORECASE,
)
_THIRD = re.compile(r"\b(?:s?he|it|they|him|hers?|them|his|its|theirs?)\b", re.IGNORECASE)
_CAPITAL = re.compile(r"(?<!^)\b(?!I\b)[A-Z]")
_COMPLETE = re.compile(r"[.!?…]\Z")
_STATEMENT = re.compile(r"I\b.*[.!]")
_STATEMENTS = 0.5
"""Share of the insertions that are statements, where one may be inserted."""


def donors(messages: Iterable[LabelledMessage]) -> tuple[list[LabelledSentence], list[LabelledSentence]]:
    """Return the questions and the statements of messages that may be inserted into others."""
    questions, statements = [], []
    for message in messages:
        for sentence, label in zip(message.sentences, sentence_labels(message), strict=True):
            text = sentence.text
            if len(text.split()) not in _WORDS or MARKUP.search(text) or _REFERRING.search(text):
                continue
            if label == NONE and text.endswith("?") and sentence.later is None:
                questions.append(sentence)
            elif label == ALONE and not sentence.forget and _is_about_user(sentence):
                statements.append(sentence)
    return questions, statements


def _is_about_user(sentence: LabelledSentence) -> bool:
    """Return whether a complete sentence in the first person states facts about the user and names nobody else."""
    text = sentence.text
    if not _STATEMENT.fullmatch(text) or _CAPITAL.search(text):
        return False
    return all(fact.startswith("User ") and is_grounded(fact, text) for fact in sentence.facts)


def insert_sentences(
    message: LabelledMessage,
    questions: Sequence[LabelledSentence],
    statements: Sequence[LabelledSentence],
    rng: random.Random,
) -> LabelledMessage:
    """Insert one or two sentences, each between complete sentences if there are any, else at the end.

    The message stays as it is if none fits.
    """
    for _ in range(rng.choice((1, 1, 2))):
        labels = sentence_labels(message)
        places = [place for place in range(1, len(labels) + 1) if _is_free(message, labels, place)]
        behind_facts = [place for place in places if labels[place - 1] not in {NONE, FORGET}]
        if statements and behind_facts and not MARKUP.search(message.message) and rng.random() < _STATEMENTS:
            message = _insert(message, labels, rng.choice(statements), _pick(behind_facts, len(labels), rng))
        elif questions and places:
            message = _insert(message, labels, rng.choice(questions), _pick(places, len(labels), rng))
    return message


def _is_free(message: LabelledMessage, labels: Sequence[str], place: int) -> bool:
    """Return whether a sentence may come before the one at `place`: not within a sentence, and not before an ellipsis."""
    if place == len(labels):
        return True
    is_understood = labels[place] not in {BEFORE, EARLIER} or _THIRD.search(message.sentences[place].text)
    return bool(is_understood and _COMPLETE.search(message.sentences[place - 1].text))


def _pick(places: Sequence[int], end: int, rng: random.Random) -> int:
    return rng.choice([place for place in places if place < end] or places)


def _insert(message: LabelledMessage, labels: Sequence[str], new: LabelledSentence, place: int) -> LabelledMessage:
    if new in message.sentences:
        return message
    at = 0
    for sentence in message.sentences[:place]:
        at = message.message.find(sentence.text, at) + len(sentence.text)
    before, after = message.message[:at], message.message[at:]
    text = f"{before} {new.text}{after}" if after.strip() else f"{message.message.rstrip()} {new.text}"
    moved = [
        sentence if sentence.later is None else replace(sentence, later=sentence.later + (sentence.later >= place))
        for sentence in message.sentences
    ]
    changed = replace(message, message=text, sentences=(*moved[:place], new, *moved[place:]))
    behind = [EARLIER if label == BEFORE and not number else label for number, label in enumerate(labels[place:])]
    expected = (*labels[:place], ALONE if new.facts else NONE, *behind)
    return changed if sentence_labels(changed) == expected else message
