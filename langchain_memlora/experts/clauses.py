"""Cut a quotation into the clauses that each state one thing, with offsets.

A sentence is cut before `and`, `but` and the like, a semicolon or a comma if a main clause with a subject of its own follows.
Doubtful places are not cut: a clause that is not found is changed together with its neighbour.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from langchain_memlora.experts.choosing import SHORT_ANSWER
from langchain_memlora.experts.sentences import VERB, VERB_WITHIN, WORD, Sentence, cut_sentences

_JOINT = re.compile(
    r"""
    (?: ; | ,?\s(?=\s*(?i:and|but|plus|yet|while|whereas)\s) | (?P<splice>,) ) \s*
    (?=
        (?: (?i:and|but|plus|yet|while|whereas)\s+ (?:(?i:also|now|then)\s+)? )?
        (?: (?P<subject>(?i:i|we|he|she|they)\b) | (?i:my|our|his|her|their|the|there)\s | (?P<name>[A-Z]) )
    )
    """,
    re.VERBOSE,
)
"""Ends of clauses before one that has a subject of its own."""
_SUBORDINATE = re.compile(
    r"(?:when|if|because|since|after|before|although|though|while|as|once|until)\b", re.IGNORECASE
)
_SUBJECT = re.compile(r"(?:i|we|you|he|she|they|it)\b\W*", re.IGNORECASE)
_SAYS = re.compile(
    r"(?:lives|works|likes|loves?|hates?|wants|needs|knows|thinks|goes|gets|makes|takes|comes|keeps|gives|tells|feels|plays?|speaks?"
    r"|study|studies|teach|teaches|runs?|owns?|became|bought|met|sold|began|lost|won|drove|flew)\W*",
    re.IGNORECASE,
)
"""Verbs besides `VERB`, which leaves out those that may be nouns."""


def cut_clauses(text: str) -> list[Sentence]:
    """Cut a text into sentences, and these between main clauses that each have a subject of their own.

    Sentences of one word ("Yes.") stay with a neighbour.

    Example:
        ```python
        from langchain_memlora.experts.clauses import cut_clauses

        clauses = cut_clauses("Hi! I am a nurse in Graz and my sister Ana has twins.")
        assert [clause.text for clause in clauses] == ["Hi! I am a nurse in Graz", "and my sister Ana has twins."]
        ```
    """
    found: list[Sentence] = []
    for sentence in cut_sentences(text):
        for start, end in pairwise([sentence.start, *_joints(sentence), sentence.end]):
            begin = start
            if found and 1 in {_count(found[-1].text), _count(text[start:end])}:
                begin = found.pop().start
            piece = text[begin:end].rstrip()
            found.append(Sentence(begin, begin + len(piece), piece))
    return found


def is_fragment(text: str) -> bool:
    """Return whether a text is a short answer, without subject and verb: its words alone do not say what it states."""
    words = WORD.findall(text)
    return len(words) <= SHORT_ANSWER and not any(_SUBJECT.match(word) or _is_verb(word) for word in words)


def _joints(sentence: Sentence) -> Iterator[int]:
    """Yield the offsets at which a sentence's second and later main clauses begin."""
    begun = 0
    for joint in _JOINT.finditer(sentence.text):
        left, right = sentence.text[begun : joint.start()], WORD.findall(sentence.text[joint.end() :])
        if joint["splice"] and (joint["name"] or _SUBORDINATE.match(left.lstrip())):
            continue
        states = any(_SUBJECT.fullmatch(word) or _is_verb(word) for word in WORD.findall(left))
        follows = joint["subject"] or any(map(_is_verb, _opening(right)))
        if states and follows and _count(left) > 1 and len(right) > 2:
            begun = joint.end()
            yield sentence.start + begun


def _opening(words: list[str]) -> list[str]:
    """Return the words that hold a clause's verb; they end at a comma, as in a list of names."""
    opening = words[: VERB_WITHIN + 1]
    return opening[: next((at for at, word in enumerate(opening) if word.endswith(",")), len(opening))]


def _is_verb(word: str) -> bool:
    return bool(VERB.fullmatch(word) or _SAYS.fullmatch(word))


def _count(text: str) -> int:
    return len(WORD.findall(text))
