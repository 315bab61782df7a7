"""Terms of text in any script, as full-text search stores and finds them.

The tokenizers of both databases take a word for what is between spaces, and split words at the vowel signs of many scripts. So
text that is not ASCII is cut here: case and accents are folded, and text without spaces becomes overlapping pairs of
characters, of which some are in every text that holds the word. ASCII is left to the tokenizers.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import groupby, pairwise

_ASCII_WORD = re.compile(r"\w+")
# Scripts that write no spaces between words (from Thai and Lao to Han), and Hangul, whose words end in particles.
_UNSPACED = re.compile(
    "([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1950-\u19ff\u1a20-\u1aaf\ua9e0-\ua9ff\uaa60-\uaadf"
    "\u3005-\u3007\u3040-\u312f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
    "\uac00-\ud7a3]+)"
)
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
# Accents of Latin, Greek and Cyrillic, points of Hebrew and Arabic, and the dot of Devanagari. Vowel signs are not among them.
_ACCENTS = re.compile(
    "[\u0300-\u036f\u0483-\u0487\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u093c"
    "\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
)
# Letters with a stroke or joined letters, which Unicode does not decompose; and what joins, parts or stretches letters unseen.
_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ħ": "h", "ŧ": "t", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th"}
    | dict.fromkeys("\u00ad\u0640\u200b\u200c\u200d\u2060", "")
)


def to_store(text: str) -> str:
    """Return a text as the tokenizer is to store it: ASCII as it is, other text as its terms."""
    return text if text.isascii() else " ".join(_terms(text, stored=True))


def to_find(query: str) -> list[str]:
    """Return the terms that represent a query, each once."""
    found = _ASCII_WORD.findall(query.lower()) if query.isascii() else _terms(query, stored=False)
    return list(dict.fromkeys(found))


def fold(word: str) -> str:
    """Return a word without case, accents and variant forms: ``Müller`` and ``MULLER`` are one."""
    if word.isascii():
        return word.lower()
    plain = _ACCENTS.sub("", unicodedata.normalize("NFKD", word.casefold())).casefold()
    return unicodedata.normalize("NFC", plain.translate(_LETTERS))


def is_unspaced(text: str) -> bool:
    """Return whether a text holds characters of a script that writes no spaces between words."""
    return _UNSPACED.search(text) is not None


def _terms(text: str, *, stored: bool) -> Iterator[str]:
    for written in _words(text):
        for word in _words(fold(written)):  # a single character may stand for several words, as a fraction does
            for number, part in enumerate(_UNSPACED.split(word)):
                if number % 2:
                    yield from _pairs(part, stored=stored)
                elif part:
                    yield part


def _pairs(run: str, *, stored: bool) -> Iterator[str]:
    """Yield overlapping pairs of characters; single ones if stored, if there is no pair, and of Han, where they are words."""
    characters = _characters(run)
    yield from map("".join, pairwise(characters))
    yield from (one for one in characters if stored or len(characters) == 1 or _HAN.match(one))


def _characters(run: str) -> list[str]:
    """Split a run into characters, each with the vowel signs and tone marks on it."""
    characters: list[str] = []
    for char in run:
        if characters and unicodedata.category(char)[0] == "M":
            characters[-1] += char
        else:
            characters.append(char)
    return characters


def _words(text: str) -> Iterator[str]:
    return ("".join(run) for is_part, run in groupby(text, _is_part_of_word) if is_part)


@lru_cache(4096)
def _is_part_of_word(char: str) -> bool:
    return unicodedata.category(char)[0] in "LNM" or ord(char) in _LETTERS
