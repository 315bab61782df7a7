"""Writes a labelled message as it is typed in chats or comes from dictation, and cuts it again as at run time.

Where marks are gone, sentences are no longer cut apart: those that `cut_sentences` leaves in one piece become one, with the
facts of all.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import replace

from langchain_memlora.experts.sentence_prompt import BEFORE, CONTEXT, EARLIER
from langchain_memlora.experts.sentences import LIMIT, cut_sentences
from langchain_memlora.lab.training.choices import sentence_labels
from langchain_memlora.lab.training.inserting import MARKUP
from langchain_memlora.lab.training.messages import LabelledMessage, LabelledSentence

_CODE = re.compile(r"\S*(?:[\d_@/\\=]|\w\.\w|[a-z][A-Z])\S*")
"""A token whose case may matter."""
_APOSTROPHE = re.compile(r"(?<=\w)['’](?=(?:t|m|s|ve)\b)", re.IGNORECASE)
_FULL_STOP = re.compile(r"[.!]+(?=\s|\Z)")
_MARKS = re.compile(r"[.,;:!?…]+(?=\s|\Z)|[()]|(?<=\s)[-–—]+\s")


def restyle(message: LabelledMessage, rng: random.Random) -> LabelledMessage:
    """Write a message in lower case, without apostrophes, and without full stops (chat) or any marks (dictation).

    Messages with quotations, code or lists stay as they are, and those where a request to forget would become part of a
    statement.
    """
    marks = rng.choice((_FULL_STOP, _MARKS))
    if MARKUP.search(message.message):
        return message
    text, ends = "", []
    at = 0
    for sentence in message.sentences:
        found = message.message.find(sentence.text, at)
        text += message.message[at:found] + (plain := _plain(sentence.text, marks))
        ends.append(len(text))
        at = found + len(sentence.text)
        if not plain:
            return message
    groups = _groups(text, ends)
    changed = _merged(message, text, ends, groups)
    return changed if changed and _keeps_labels(message, changed, groups) else message


def _plain(text: str, marks: re.Pattern[str]) -> str:
    lower = " ".join(token if _CODE.fullmatch(token) else token.lower() for token in text.split())
    return " ".join(marks.sub("", _APOSTROPHE.sub("", lower)).split())


def _groups(text: str, ends: Sequence[int]) -> list[list[int]]:
    """Return the numbers of sentences that share pieces of the text as it is cut at run time."""
    pieces = cut_sentences(text)
    groups = [[0]]
    for number, end in enumerate(ends[:-1], 1):
        if any(piece.start < end < piece.end for piece in pieces):
            groups[-1].append(number)
        else:
            groups.append([number])
    return groups


def _merged(
    message: LabelledMessage, text: str, ends: Sequence[int], groups: Sequence[Sequence[int]]
) -> LabelledMessage | None:
    """Return the message with a sentence for each group; `None` if one would be too long, or hide a request to forget."""
    place = {number: index for index, group in enumerate(groups) for number in group}
    starts = [0, *ends]
    merged = []
    for index, group in enumerate(groups):
        members = [message.sentences[number] for number in group]
        said = text[starts[group[0]] : ends[group[-1]]].strip()
        facts = tuple(dict.fromkeys(fact for member in members for fact in member.facts))
        forgets = [member.forget for member in members if member.forget]
        later = [place[member.later] for member in members if member.later is not None and place[member.later] > index]
        if len(group) > 1 and (len(said.split()) > LIMIT or len(forgets) > 1 or (forgets and facts)):
            return None
        merged.append(LabelledSentence(said, facts, " ".join(forgets), max(later, default=None)))
    return replace(message, message=text.strip(), sentences=tuple(merged))


def _keeps_labels(before: LabelledMessage, after: LabelledMessage, groups: Sequence[Sequence[int]]) -> bool:
    """Return whether each sentence still needs what it needed: the label of one not merged, the context of one merged."""
    old, new = sentence_labels(before), sentence_labels(after)
    for label, group in zip(new, groups, strict=True):
        needs = old[group[0]] in {BEFORE, EARLIER} or any(old[number] == CONTEXT for number in group)
        if (len(group) == 1 and label != old[group[0]]) or (needs and label not in {BEFORE, EARLIER, CONTEXT}):
            return False
    return True
