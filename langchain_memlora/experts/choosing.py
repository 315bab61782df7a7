"""Choice of the spans that a message contributes to memory, from one closed question a sentence.

The answer is one of seven labels (see `sentence_prompt`), whose probabilities are read off one position. They answer three
questions: does the sentence state something, does it need what is before it, is it corrected later. A sentence that states
something, widened by what it needs, is a span: the speaker's own words, which become the memory.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from langchain_memlora.bundles.bundle import ChoiceSpec
from langchain_memlora.experts.sentence_prompt import BEFORE, CONTEXT, EARLIER, FORGET, LABELS, LATER
from langchain_memlora.experts.sentences import Sentence

MOST_WORDS = 60
"""A span is not widened beyond this, so that a memory stays one thing to read."""
SHORT_ANSWER = 4
"""An opening sentence of up to this many words answers the question before it, if there is one."""
_POINTS_BACK = re.compile(
    r"(?:and|but|so|also|then|plus)?\s*(?:he|she|they|it|him|her|them|his|their|its|that|this|these|those|both|one of them)\b",
    re.IGNORECASE,
)
_ITEM = re.compile(r"[-*•–]\s|\d{1,2}[.)]\s")
_COMPARES = re.compile(r"only\b|.*\bthe (?:others?|rest|latter|former|same|only one)\b", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Chosen:
    """A part of a message to remember, or a request to forget.

    Attributes:
        start: Offset of its first character in the message.
        end: Offset after its last character.
        needs_context: It can't be understood without the message before.
        forgets: It asks to forget something.
        probability: Of stating something, or of asking to forget.
    """

    start: int
    end: int
    needs_context: bool = False
    forgets: bool = False
    probability: float = 1.0


def choose(
    sentences: Sequence[Sentence],
    answers: Sequence[Sequence[float]],
    spec: ChoiceSpec,
    *,
    before: str = "",
) -> list[Chosen]:
    """Return the spans of a message, in order.

    A sentence that opens with a third-person pronoun, one that compares with what was just listed, the item of a list under
    a heading, and a short answer to a question are always widened: readers could rarely understand them alone. What a
    correction replaces is remembered with it, or not at all if it is too far away.

    Args:
        sentences: The sentences of the message.
        answers: For each sentence the probabilities of `LABELS`, in their order.
        spec: Thresholds, from the bundle's card.
        before: The message before, if there is one.

    Example:
        ```python
        from langchain_memlora.bundles.bundle import ChoiceSpec
        from langchain_memlora.experts.choosing import choose
        from langchain_memlora.experts.sentences import cut_sentences

        message = "I have a sister, Ana. She is a nurse. How are you?"
        answers = [(0, 0, 1, 0, 0, 0, 0), (0, 0, 0, 1, 0, 0, 0), (1, 0, 0, 0, 0, 0, 0)]
        (span,) = choose(cut_sentences(message), answers, ChoiceSpec())
        assert message[span.start : span.end] == "I have a sister, Ana. She is a nurse."
        ```
    """
    stating = [sum(answer[2:]) for answer in answers]
    requests: list[Chosen] = []
    spans: list[Chosen] = []
    first: list[int] = []  # where the span of each sentence begins: a sentence that needs it begins there too
    independent: list[int] = []
    for i, (sentence, answer) in enumerate(zip(sentences, answers, strict=True)):
        by_label = dict(zip(LABELS, answer, strict=True))
        stated = stating[i] >= spec.states
        needed = ""
        if stated:
            needed = _needed(by_label, stating[i], spec) or _pointing(sentences, i, before, independent)
        start = i
        if needed == EARLIER:
            start = independent[-1] if independent else 0
        elif needed and i:
            start = first[i - 1]
        if stated:
            start = min(start, _heading(sentences, i))
        if _words(sentences[start : i + 1]) > MOST_WORDS:
            start = max(0, i - 1)
        first.append(start)
        refers_back = not i or by_label[CONTEXT] >= max(by_label[BEFORE], by_label[EARLIER])
        needs_context = bool(needed) and start == 0 and refers_back
        if by_label[FORGET] >= spec.forget:
            requests.append(Chosen(sentence.start, sentence.end, needs_context, True, by_label[FORGET]))
        elif stated:
            corrected = by_label[LATER] >= spec.later * stating[i]
            last = _correction(sentences, stating, i, spec) if corrected else i
            if _words(sentences[start : last + 1]) <= MOST_WORDS or not corrected:
                spans.append(Chosen(sentences[start].start, sentences[last].end, needs_context, False, stating[i]))
        if stated and not needed:
            independent.append(i)
    return sorted([*_merged(sentences, spans), *requests], key=lambda chosen: chosen.start)


def points_back(clause: str) -> bool:
    """Return whether a clause opens with a pronoun that points to what is before it."""
    return bool(_POINTS_BACK.match(clause))


def _pointing(sentences: Sequence[Sentence], i: int, before: str, independent: Sequence[int]) -> str:
    """Return the label of what the words of a sentence point to; empty if to nothing."""
    text = sentences[i].text
    points = points_back(text)
    if i:
        if points and independent:
            return EARLIER
        return BEFORE if points or _COMPARES.match(text) else ""
    answers = before.rstrip().endswith("?") and len(text.split()) <= SHORT_ANSWER
    return CONTEXT if before and (points or answers) else ""


def _heading(sentences: Sequence[Sentence], i: int) -> int:
    """Return the heading of the list that a sentence is an item of; the sentence itself if there is none."""
    heading = i
    while heading and _ITEM.match(sentences[heading].text):
        heading -= 1
    return heading if sentences[heading].text.endswith(":") else i


def _correction(sentences: Sequence[Sentence], stating: Sequence[float], i: int, spec: ChoiceSpec) -> int:
    """Return the sentence that corrects another: the next that states something, else the next."""
    later = range(i + 1, len(sentences))
    return next((j for j in later if stating[j] >= spec.states), min(i + 1, len(sentences) - 1))


def _needed(by_label: dict[str, float], states: float, spec: ChoiceSpec) -> str:
    """Return the label of what a sentence needs to be understood; empty if nothing."""
    labels = (BEFORE, EARLIER, CONTEXT)
    if not states or sum(by_label[label] for label in labels) < spec.needs * states:
        return ""
    return max(labels, key=by_label.__getitem__)


def _merged(sentences: Sequence[Sentence], spans: Sequence[Chosen]) -> list[Chosen]:
    """Join overlapping spans, as long as the result is short enough."""
    merged: list[Chosen] = []
    for span in sorted(spans, key=lambda chosen: (chosen.start, -chosen.end)):
        last = merged[-1] if merged else None
        if last and span.start < last.end:
            end = max(last.end, span.end)
            inside = [s for s in sentences if last.start <= s.start and s.end <= end]
            if _words(inside) <= MOST_WORDS:
                probability = min(last.probability, span.probability)
                merged[-1] = Chosen(last.start, end, last.needs_context or span.needs_context, False, probability)
                continue
        merged.append(span)
    return merged


def _words(sentences: Sequence[Sentence]) -> int:
    return sum(len(sentence.text.split()) for sentence in sentences)
