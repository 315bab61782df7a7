"""The span dialect: extraction chooses sentences by a closed question, and their own words are the memory.

Each sentence of a source message is asked about once; `sentence_prompt` has the labels. The prompt shows the messages before,
the message, and the sentence last, so that all sentences of a message share the beginning, which an engine computes once.
Updates are decided as in the `lines` dialect.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from langchain_memlora.engines.base import Completion
from langchain_memlora.errors import ExpertOutputError
from langchain_memlora.experts.choosing import Chosen, choose
from langchain_memlora.experts.dialects.base import Ask, ParsedExtraction, without_echoes
from langchain_memlora.experts.dialects.lines import Lines
from langchain_memlora.experts.sentence_prompt import LABELS, clip_context, sentence_prompt
from langchain_memlora.experts.sentences import Sentence, cut_sentences
from langchain_memlora.experts.windows import Line, Window, one_line, shown_speaker, speaker_of
from langchain_memlora.text import strip_invisible
from langchain_memlora.tokens import tokens_at_most
from langchain_memlora.types import Fact, Span

PART = 1500
"""Characters of a long message that are shown with each of its sentences. Longer sentences, such as blocks of code, are never
asked about."""
PART_TOKENS = 600
"""Tokens of such a part; in English it has fewer."""

_HAS_WORD = re.compile(r"\w")
TOPIC = 160
"""Characters quoted of what a speaker wrote before a question."""


class Part(NamedTuple):
    """A message, or a part of a long one, with its sentences and the messages before it."""

    line: Line
    text: str
    sentences: list[Sentence]
    before: list[Line]


class Spans(Lines):
    """The span dialect; see the module."""

    name = "spans"
    whole_messages = True

    def ask_extraction(self, window: Window) -> list[Ask]:
        return [
            Ask(
                sentence_prompt(
                    [(shown_speaker(line.turn), line.text) for line in part.before],
                    shown_speaker(part.line.turn),
                    strip_invisible(part.text),
                    strip_invisible(sentence.text),
                ),
                LABELS,
            )
            for part in _parts(window)
            for sentence in part.sentences
        ]

    def read_extraction(self, completions: Sequence[Completion], window: Window) -> ParsedExtraction:
        """Return a fact for each span; its text is a quotation of the speaker."""
        if unscored := [completion for completion in completions if len(completion.probabilities) != len(LABELS)]:
            msg = f"The extraction expert scored {len(unscored[0].probabilities)} labels, not the {len(LABELS)} of a sentence."
            return ParsedExtraction((), (ExpertOutputError(msg),))
        facts: list[Fact] = []
        answers = iter(completions)
        for part in _parts(window):
            probabilities = [next(answers).probabilities for _ in part.sentences]
            chosen = choose(
                part.sentences, probabilities, self.choice, before=part.before[-1].text if part.before else ""
            )
            facts += [_fact(part, span) for span in chosen]
        return ParsedExtraction(without_echoes(facts))


def _parts(window: Window) -> Iterator[Part]:
    for position, line in enumerate(window.lines):
        if line.number is None:
            continue
        sentences: list[Sentence] = []
        size = end = 0
        for sentence in cut_sentences(line.text):
            tokens = tokens_at_most(sentence.text)
            if sentence.end - sentence.start > PART or tokens > PART_TOKENS or not _HAS_WORD.search(sentence.text):
                continue
            size += tokens_at_most(line.text[end : sentence.start]) + tokens
            if sentences and (sentence.end - sentences[0].start > PART or size > PART_TOKENS):
                yield _part(window, position, sentences)
                sentences, size = [], tokens
            sentences.append(sentence)
            end = sentence.end
        if sentences:
            yield _part(window, position, sentences)


def _part(window: Window, position: int, sentences: list[Sentence]) -> Part:
    line = window.lines[position]
    text = line.text[sentences[0].start : sentences[-1].end]
    return Part(line, text, sentences, list(window.lines[max(0, position - 2) : position]))


def _fact(part: Part, chosen: Chosen) -> Fact:
    turn = part.line.turn
    said = quotation(speaker_of(turn), part.line.text[chosen.start : chosen.end])
    asked = _dialogue(part.before, speaker_of(turn)) if chosen.needs_context else ""
    return Fact(
        f"{asked} {said}" if asked else said,
        turn.id,
        turn.observed_at,
        retracts=chosen.forgets,
        form="said",
        said=Span(chosen.start, chosen.end, asked),
    )


def _dialogue(before: Sequence[Line], speaker: str) -> str:
    """Quote what an answer refers to: the question before it, and what its speaker had written before that."""
    if not before:
        return ""
    *earlier, last = before
    topic = earlier[-1] if earlier and speaker_of(last.turn) != speaker == speaker_of(earlier[-1].turn) else None
    quoted = [quotation(speaker, _beginning(topic.turn.words))] if topic else []
    return " ".join([*quoted, quotation(speaker_of(last.turn), _question(last.text))])


def quotation(speaker: str, words: str) -> str:
    """Return words as a memory in the speaker's own words.

    Example:
        ```python
        from langchain_memlora.experts.dialects.spans import quotation

        assert quotation("user", "I moved to Berlin.") == 'User: "I moved to Berlin."'
        ```
    """
    return f'{speaker[:1].upper()}{speaker[1:]}: "{one_line(words)}"'


def _beginning(text: str) -> str:
    """Return the sentences that a message begins with, up to a limit: they name its topic."""
    line = one_line(text)
    ends = [sentence.end for sentence in cut_sentences(line) if sentence.end <= TOPIC]
    return line[: ends[-1]] if ends else f"{line[:TOPIC].rstrip()}..."


def _question(text: str) -> str:
    """Return the last question of a message; the end of the message if it has none."""
    questions = [sentence.text for sentence in cut_sentences(text) if sentence.text.endswith("?")]
    return clip_context(one_line(questions[-1] if questions else text))
