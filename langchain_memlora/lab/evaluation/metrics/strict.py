"""The strict measure: a stored text is right only if it has a stated fact's meaning and all its names, numbers and negations.

It is lexical apart from one similarity of sentence embeddings, so it is a lower-level measure to steer by: words put together
wrongly can pass, and a good paraphrase can fail. It can't check that a quotation is understood alone. Labels of readers decide.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from langchain_memlora.experts.grounding import NEGATION, ungrounded
from langchain_memlora.experts.negation import adds_negation, loses_negation
from langchain_memlora.lab.evaluation.metrics.facts import THRESHOLD
from langchain_memlora.lab.evaluation.metrics.similarity import unit_vectors
from langchain_memlora.types import Form
from langchain_memlora.wordforms import LIGHT, values_of, words_of

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings

WHOLE = 0.8
"""Share of a fact's content words from which a text states all of it, if no name, number or negation differs; and the share of
a sentence's content words that the facts must hold."""
PART = 0.5
"""Share of a fact's content words from which a text may state a part of it."""

_NEXT_SPEAKER = re.compile(r'" [^"\n:]{1,80}: "')
_QUOTATION = re.compile(r'(?:[^"\n:]{1,80}: "(?P<asked>.*)" )?[^"\n:]{1,80}: "(?P<said>.*)"\s*', re.DOTALL)


class Label(StrEnum):
    """The assessment of a stored text."""

    RIGHT = "right"
    REPEAT = "repeat"
    DETAIL = "wrong detail"
    NEGATION = "wrong negation"
    INVENTED = "invented"
    INCOMPLETE = "incomplete"
    NOT_STATED = "not stated"


class Coverage(StrEnum):
    """The part of a stated fact that was stored."""

    FOUND = "found"
    PARTLY = "partly"
    MISSED = "missed"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The assessment of one stored text.

    Attributes:
        whole: Positions of the facts that it states wholly.
        parts: Positions of the facts that it states in part.
        differing: Words that the exchange does not hold, that no fact holds, or that a quotation lacks.
    """

    label: Label
    whole: tuple[int, ...] = ()
    parts: tuple[int, ...] = ()
    differing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """The messages of an exchange.

    Attributes:
        said: The user's new messages.
        context: All other messages; they only resolve references.
    """

    said: str
    context: tuple[str, ...] = ()


def is_quotation(text: str, form: Form | None = None) -> bool:
    """Check that a text is in the speaker's own words: by its form, or by its shape if the form is unknown."""
    return form == "said" if form else _QUOTATION.fullmatch(text) is not None


def assess(
    embeddings: Embeddings,
    texts: Sequence[tuple[str, Form | None]],
    facts: Sequence[str],
    source: Source,
    threshold: float = THRESHOLD,
) -> list[Verdict]:
    """Assess the stored texts of one exchange against the facts that the user states in it.

    A sentence needs a fact's meaning: a similarity of at least `threshold`, or half of the fact's content words. Its names and
    numbers and most of its content words must be in the facts that it states, with the same subject and no other negation. A
    quotation is right if it covers a fact: the fact's names, numbers and most of its content words are in the quotation or
    in the question that it answers.

    Args:
        texts: Each with its form, in the order in which they were stored; `None` decides the form by the text's shape.
        threshold: Similarity from which two sentences are about the same.

    Returns:
        A verdict for each text.

    Example:
        ```python
        from langchain_core.embeddings import DeterministicFakeEmbedding
        from langchain_memlora.lab.evaluation.metrics.strict import Source, assess

        source = Source("My sister Ana moved to Porto, not to Lisbon.")
        texts = ["User's sister Ana moved to Porto", "User's sister Ana moved to Lisbon"]
        facts = ["User's sister Ana moved to Porto"]
        found = assess(DeterministicFakeEmbedding(size=8), [(text, "written") for text in texts], facts, source)
        assert found[0].label == "right"
        assert found[1].label != "right"
        ```
    """
    if not texts:
        return []
    near = np.zeros((len(texts), 0))
    if facts:
        near = unit_vectors(embeddings, [text for text, _ in texts]) @ unit_vectors(embeddings, facts).T
    lower = _lower_words([source.said, *source.context])
    named = [_with_first_name(fact, lower) for fact in facts]
    verdicts: list[Verdict] = []
    earlier: list[str] = []
    found: set[int] = set()
    for (text, form), similar in zip(texts, near, strict=True):
        if is_quotation(text, form):
            own = " ".join(_quoted(text))
            verdict = _assess_quotation(text, named, source)
        else:
            own = _with_first_name(text, lower)
            about = [bool(value >= threshold) for value in similar]
            verdict = _assess_sentence(own, named, about, source)
        if verdict.label is Label.RIGHT:
            states = {*verdict.whole, *verdict.parts}
            if states <= found or any(_is_same(own, before) for before in earlier):
                verdict = Verdict(Label.REPEAT, verdict.whole, verdict.parts)
            # Any text about a barn holds the one content word of "User has a barn", so such a fact shows no repetition.
            found.update(place for place in verdict.whole if _content(named[place]) > 1)
            earlier.append(own)
        verdicts.append(verdict)
    return verdicts


def coverage(verdicts: Iterable[Verdict], facts: int) -> list[Coverage]:
    """Return the part of each fact that texts state; wrong texts state none.

    Args:
        facts: Number of facts.
    """
    verdicts = list(verdicts)
    whole = {place for verdict in verdicts for place in verdict.whole}
    parts = {place for verdict in verdicts for place in verdict.parts}
    return [
        Coverage.FOUND if place in whole else Coverage.PARTLY if place in parts else Coverage.MISSED
        for place in range(facts)
    ]


class _Compared(NamedTuple):
    """The words of one text that others do not hold.

    Attributes:
        share: Share of its content words that they hold.
        details: Its names and numbers that they do not hold.
        missing: All words that they do not hold.
        denial: A negation was lost or added.
    """

    share: float
    details: tuple[str, ...]
    missing: tuple[str, ...]
    denial: bool


def _compare(text: str, *others: str) -> _Compared:
    lacking = ungrounded(text, *others)
    missing = tuple(word for word in lacking if word != NEGATION)
    words = list(words_of(text))
    exact = {word for word, is_name in words if is_name or values_of(word) or any(map(str.isdigit, word))}
    details = tuple(word for word in missing if word in exact)
    return _Compared(1 - len(missing) / max(1, _content(text)), details, missing, len(missing) < len(lacking))


def _content(text: str) -> int:
    """Return the number of words that say something by themselves."""
    return sum(is_name or word.lower() not in LIGHT for word, is_name in words_of(text))


def _is_same(text: str, other: str) -> bool:
    return not ungrounded(text, other) and not ungrounded(other, text)


def _assess_sentence(text: str, facts: Sequence[str], about: Sequence[bool], source: Source) -> Verdict:
    grounded = _compare(text, source.said, *source.context)
    if grounded.missing:
        return Verdict(Label.INVENTED, differing=grounded.missing)
    if grounded.denial:
        return Verdict(Label.NEGATION)
    back = [_compare(fact, text) for fact in facts]
    matched = [j for j, near in enumerate(about) if near or back[j].share >= PART]
    if not matched:
        return Verdict(Label.NOT_STATED)
    owned = [j for j in matched if not _owner_differs(text, facts[j])]
    if not owned:
        return Verdict(Label.DETAIL)
    agreeing = [j for j in owned if not _clash(text, facts[j])]
    if not agreeing or adds_negation(text, [facts[j] for j in agreeing]):
        return Verdict(Label.NEGATION)
    whole = [j for j in agreeing if back[j].share >= WHOLE and not back[j].details]
    # The text may state several facts wholly, and one more in part.
    groups = [[*whole, *([j] if j not in whole else [])] for j in [*whole, *agreeing]]
    compared = [(_compare(text, *(facts[j] for j in group)), group) for group in groups]
    exact = [(found, group) for found, group in compared if not found.details]
    if not exact:
        return Verdict(Label.DETAIL, differing=min((found.details for found, _ in compared), key=len))
    kept, group = max(exact, key=lambda pair: pair[0].share)
    if kept.share < WHOLE:
        return Verdict(Label.DETAIL if kept.share >= PART else Label.NOT_STATED, differing=kept.missing)
    return Verdict(Label.RIGHT, tuple(whole), tuple(j for j in group if j not in whole))


def _assess_quotation(text: str, facts: Sequence[str], source: Source) -> Verdict:
    said, asked = _quoted(text)
    if invented := _compare(f"{asked} {said}", source.said, *source.context).missing:
        return Verdict(Label.INVENTED, differing=invented)
    back = [_compare(fact, said, *filter(None, [asked])) for fact in facts]
    whole = tuple(j for j, held in enumerate(back) if held.share >= WHOLE and not held.details and not held.denial)
    parts = tuple(j for j, held in enumerate(back) if held.share >= PART and not held.denial and j not in whole)
    if whole:
        return Verdict(Label.RIGHT, whole, parts)
    if parts:
        lacking = min((back[j].missing for j in parts), key=len)
        return Verdict(Label.INCOMPLETE, (), parts, lacking)
    denied = any(held.share >= PART and held.denial for held in back)
    return Verdict(Label.NEGATION if denied else Label.NOT_STATED)


def _clash(text: str, fact: str) -> bool:
    """Check that a text denies what a fact states, or states what it denies; what else the text denies does not matter."""
    return loses_negation(text, [fact]) or loses_negation(fact, [text]) or adds_negation(fact, [text])


def _owner_differs(text: str, fact: str) -> bool:
    """Check that neither text holds the subject of the other: "User has a cat", "User's brother has a cat"."""
    mine, other = _subject(text), _subject(fact)
    return (
        bool(mine or other)
        and (not mine or mine in _compare(text, fact).missing)
        and (not other or other in _compare(fact, text).missing)
    )


def _subject(text: str) -> str:
    """Return the first word that says something by itself; empty if the user is the subject."""
    if re.match(r"User\s", text):
        return ""
    return next((word for word, is_name in words_of(text) if is_name or word.lower() not in LIGHT), "")


def _quoted(text: str) -> tuple[str, str]:
    """Return the words of a quotation and of the messages that it answers, without the speakers."""
    found = _QUOTATION.fullmatch(text)
    return (found["said"], _NEXT_SPEAKER.sub(" ", found["asked"] or "")) if found else (text, "")


def _lower_words(texts: Iterable[str]) -> set[str]:
    return {word for text in texts for word, _ in words_of(text) if word.islower()}


def _with_first_name(text: str, lower: set[str]) -> str:
    """Return a text in which a name that begins it counts as one; a first word has a capital letter in any case."""
    first = next((word for word, _ in words_of(text)), "")
    low = first.lower()
    is_name = first[:1].isupper() and low not in LIGHT and low not in lower
    return f"and {text}" if is_name else text
