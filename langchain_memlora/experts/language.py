"""Identify the language of a message, and decide if an expert that knows certain languages may read it.

py3langid scores a text by its byte n-grams, without a network and in about 0.1 ms. Names, typos and short answers move such
scores, so a message counts as one of the readable languages unless another one is clearly ahead.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from functools import cache
from typing import Any

UNDECIDED = "und"
"""The ISO 639 code for a text whose language can't be determined."""

_SAMPLE = 4000
_FEW_WORDS = 3
_SURE = 0.5
"""Probability from which `language_of` names a language. The classifier spreads it over 130 languages."""
_AHEAD = 15.0
"""Log-likelihood by which another language must exceed the readable ones. Of the English messages 99.9 % stay below it, and
sentences of three or more words in other languages start at 22."""
_BEHIND = 3.0
"""Log-likelihood by which a readable language must exceed the others in a thread of another language."""

_WITHOUT_SPEAKERS = frozenset("zxx pcm la vo grc hbo sa".split())
"""Labels that are left out: no language, dead or planned ones, and Nigerian Pidgin, which attracts short English messages."""

_DIALECTS = {"arz": "ar", "ary": "ar", "wuu": "zh", "nn": "no"}

# Scripts that write no spaces between words: a number there is no part of a word.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef"
_NOT_PROSE = re.compile(
    r"```.*?(?:```|\Z)|`[^`\n]*`|\b(?:https?://|www\.)\S+|\S+@\S+|\S*[_/\\{}<>=]\S*"
    rf"|(?:\b|(?<=[{_UNSPACED}])(?=\d))[^\s{_UNSPACED}]*\d[^\s{_UNSPACED}]*",
    re.DOTALL,
)
_QUOTED = re.compile(
    r"\"[^\"]{2,}\"|“[^”]{2,}”|„[^“”]{2,}[“”]|«[^»]{2,}»|(?<!\w)'[^'\n]{2,}'(?!\w)|(?<!\w)‘[^’\n]{2,}’(?!\w)"
)
_INNER_WORD = re.compile(r"(?<=[\w,] )[^\W_]{2,}")
_WORD = re.compile(r"[^\W\d_]+")

# Scripts other than Latin: their letters and the languages written in them.
_SCRIPTS = {
    "Greek": ("\u0370-\u03ff\u1f00-\u1fff", "el"),
    "Cyrillic": ("\u0400-\u052f", "ru uk be bg mk sr kk ky mn tg tt ba"),
    "Armenian": ("\u0530-\u058f", "hy"),
    "Hebrew": ("\u0590-\u05ff", "he yi"),
    "Arabic": ("\u0600-\u06ff\u0750-\u077f\u08a0-\u08ff\ufb50-\ufdff\ufe70-\ufefc", "ar fa ur ps ug sd ku sdh"),
    "Devanagari": ("\u0900-\u097f", "hi mr ne gom"),
    "Bengali": ("\u0980-\u09ff", "bn as"),
    "Gurmukhi": ("\u0a00-\u0a7f", "pa"),
    "Gujarati": ("\u0a80-\u0aff", "gu"),
    "Oriya": ("\u0b00-\u0b7f", "or"),
    "Tamil": ("\u0b80-\u0bff", "ta"),
    "Telugu": ("\u0c00-\u0c7f", "te"),
    "Kannada": ("\u0c80-\u0cff", "kn"),
    "Malayalam": ("\u0d00-\u0d7f", "ml"),
    "Sinhala": ("\u0d80-\u0dff", "si"),
    "Thai": ("\u0e00-\u0e7f", "th"),
    "Lao": ("\u0e80-\u0eff", "lo"),
    "Tibetan": ("\u0f00-\u0fff", "bo dz"),
    "Burmese": ("\u1000-\u109f", "my"),
    "Georgian": ("\u10a0-\u10ff", "ka"),
    "Ethiopic": ("\u1200-\u139f", "am ti"),
    "Khmer": ("\u1780-\u17ff", "km"),
    "Hangul": ("\u1100-\u11ff\u3130-\u318f\uac00-\ud7af", "ko"),
    "Kana": ("\u3040-\u30ff\uff66-\uff9f", "ja"),
    "Han": ("\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff", "zh ja yue"),
}
_LETTERS = {name: re.compile(f"[{letters}]") for name, (letters, _) in _SCRIPTS.items()}
_WRITTEN = {name: frozenset(languages.split()) for name, (_, languages) in _SCRIPTS.items()}
_WITHOUT_SPACES = frozenset({"Thai", "Lao", "Tibetan", "Burmese", "Khmer", "Kana", "Han"})


def language_of(text: str) -> tuple[str, float]:
    """Return the language of a text and its probability.

    Code, links and words with digits are left out, and so are quotations beside at least three other words.

    Returns:
        An ISO 639-1 code (ISO 639-3 where a language has none), or `und` where the text holds no words or no language is clear.

    Example:
        ```python
        from langchain_memlora.experts.language import language_of

        assert language_of("Meine Schwester zieht nächsten Monat nach Leipzig")[0] == "de"
        assert language_of("42 👍") == ("und", 0.0)
        ```
    """
    prose = _prose(text)
    scores = _scores(prose)
    if not scores:
        return UNDECIDED, 0.0
    best = max(scores, key=scores.__getitem__)
    # A naive Bayes classifier adds its evidence up as if it were independent; the root of the length corrects for that.
    width = math.sqrt(len(prose.encode("utf-8", "replace")))
    probability = 1 / sum(math.exp((score - scores[best]) / width) for score in scores.values())
    sure = probability >= _SURE and _words(prose, _script(prose)) > 1
    return (best if sure else UNDECIDED), probability


def is_readable(text: str, languages: Collection[str], thread_language: str | None = None) -> bool:
    """Check that an expert which knows some languages may read a text.

    Args:
        languages: ISO 639-1 codes of the languages the expert knows.
        thread_language: Language of the thread, which undecided texts and texts of one or two words inherit. By default one
            that the expert knows.

    Returns:
        False where another language is clearly ahead of those given, or where the text's script is of none of them.

    Example:
        ```python
        from langchain_memlora.experts.language import is_readable

        assert is_readable("We split up in August, Marek and I.", ["en"])
        assert not is_readable("Meine Schwester zieht nächsten Monat nach Leipzig", ["en"])
        assert not is_readable("Спасибо!", ["en"])
        assert not is_readable("ja, gerne", ["en"], thread_language="de")
        ```
    """
    known = {_code(language) for language in languages}
    thread = None if thread_language is None else _code(thread_language)
    prose = _prose(text)
    script = _script(prose)
    if script is not None and not known & _WRITTEN[script]:
        return False
    if script is not None and thread is not None and thread not in _WRITTEN[script]:
        thread = None
    inherited = bool(known) if thread is None or thread == UNDECIDED else thread in known
    scores = _scores(prose)
    readable = [score for language, score in scores.items() if language in known]
    others = [score for language, score in scores.items() if language not in known]
    if _words(prose, script) < _FEW_WORDS or not readable or not others:
        return inherited
    ahead = max(others) - max(readable)
    if ahead > _AHEAD:
        return False
    return inherited or ahead < -_BEHIND


def _prose(text: str) -> str:
    """Return what is said in words, on one line."""
    prose = _NOT_PROSE.sub(" ", text[:_SAMPLE])
    prose = _if_enough(_QUOTED.sub(" ", prose), prose)
    # Names say little about the language of what is said of them.
    prose = _if_enough(_INNER_WORD.sub(lambda word: "" if word[0][0].isupper() else word[0], prose), prose)
    return " ".join(prose.split())


def _if_enough(rest: str, prose: str) -> str:
    return rest if len(_WORD.findall(rest)) >= _FEW_WORDS else prose


def _scores(prose: str) -> Mapping[str, float]:
    """Return the log-likelihood of each language, none for a text without letters."""
    if not _WORD.search(prose):
        return {}
    scores: dict[str, float] = {}
    for label, score in _identifier().rank(prose):
        scores.setdefault(_DIALECTS.get(label, label), score)
    return scores


def _script(prose: str) -> str | None:
    """Return the script of more than half of a text's letters, `None` for Latin and unknown ones."""
    letters = "".join(_WORD.findall(prose))
    counts = {name: len(pattern.findall(letters)) for name, pattern in _LETTERS.items()}
    if counts["Kana"]:  # Japanese mixes both
        counts["Kana"] += counts["Han"]
    most = max(counts, key=counts.__getitem__)
    return most if 2 * counts[most] > len(letters) else None


def _words(prose: str, script: str | None) -> int:
    """Return the number of words that can show a language, by letters where words are not spaced."""
    if script in _WITHOUT_SPACES:
        return len(_LETTERS[script].findall(prose)) // 2
    return 1 if prose.istitle() else len(_WORD.findall(prose))  # a list of names is no sentence


def _code(language: str) -> str:
    """Return the primary subtag, in the classifier's spelling."""
    code = language.lower().replace("_", "-").partition("-")[0]
    return {"nb": "no", "nn": "no", "iw": "he", "in": "id"}.get(code, code)


@cache
def _identifier() -> Any:
    from py3langid import langid  # type: ignore[import-untyped, import-not-found, unused-ignore]

    identifier = langid.LanguageIdentifier.from_model_file(langid.MODEL_FILE)
    identifier.set_languages(set(identifier.labels) - _WITHOUT_SPEAKERS)
    return identifier
