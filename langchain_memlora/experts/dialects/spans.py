"""The span dialect: extraction chooses sentences by a closed question, and their own words are the memory.

Each sentence of a source message is asked about once; `sentence_prompt` has the labels. The prompt shows the messages before,
the message, and the sentence last, so that all sentences of a message share the beginning, which an engine computes once.
Updates are decided as in the `lines` dialect.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from langchain_memlora.engines.base import Completion
from langchain_memlora.errors import ExpertOutputError
from langchain_memlora.experts.choosing import Chosen, choose
from langchain_memlora.experts.dialects.base import Ask, ParsedExtraction, without_echoes
from langchain_memlora.experts.dialects.lines import Lines
from langchain_memlora.experts.sentence_prompt import LABELS, clip_context, sentence_prompt
from langchain_memlora.experts.sentences import Sentence, cut_sentences
from langchain_memlora.experts.windows import Line, Window, one_line, speaker_of
from langchain_memlora.text import strip_invisible
from langchain_memlora.types import Fact, Span

PART = 1500
"""Characters of a long message that are shown with each of its sentences. Longer sentences, such as blocks of code, are never
asked about."""


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
                    [(speaker_of(line.turn), line.text) for line in part.before],
                    speaker_of(part.line.turn),
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
            asked = bool(part.before) and part.before[-1].text.rstrip().endswith("?")
            chosen = choose(part.sentences, probabilities, self.choice, answers_question=asked)
            facts += [_fact(part, span) for span in chosen]
        return ParsedExtraction(without_echoes(facts))


def _parts(window: Window) -> Iterator[Part]:
    for position, line in enumerate(window.lines):
        if line.number is None:
            continue
        sentences: list[Sentence] = []
        for sentence in cut_sentences(line.text):
            if sentence.end - sentence.start > PART or not strip_invisible(sentence.text).strip():
                continue
            if sentences and sentence.end - sentences[0].start > PART:
                yield _part(window, position, sentences)
                sentences = []
            sentences.append(sentence)
        if sentences:
            yield _part(window, position, sentences)


def _part(window: Window, position: int, sentences: list[Sentence]) -> Part:
    line = window.lines[position]
    text = line.text[sentences[0].start : sentences[-1].end]
    return Part(line, text, sentences, list(window.lines[max(0, position - 2) : position]))


def _fact(part: Part, chosen: Chosen) -> Fact:
    turn = part.line.turn
    asker = part.before[-1] if chosen.needs_context and part.before else None
    asked = _question(asker.text) if asker else ""
    said = quotation(speaker := speaker_of(turn), part.line.text[chosen.start : chosen.end])
    text = f"{quotation(speaker_of(asker.turn), asked)} {said}" if asker and speaker_of(asker.turn) != speaker else said
    return Fact(
        text,
        turn.id,
        turn.observed_at,
        retracts=chosen.forgets,
        form="said",
        said=Span(chosen.start, chosen.end, asked),
    )


def quotation(speaker: str, words: str) -> str:
    """Return words as a memory in the speaker's own words.

    Example:
        ```python
        from langchain_memlora.experts.dialects.spans import quotation

        assert quotation("user", "I moved to Berlin.") == 'User: "I moved to Berlin."'
        ```
    """
    return f'{speaker[:1].upper()}{speaker[1:]}: "{one_line(words)}"'


def _question(text: str) -> str:
    """Return the last question of a message; the end of the message if it has none."""
    questions = [sentence.text for sentence in cut_sentences(text) if sentence.text.endswith("?")]
    return clip_context(one_line(questions[-1] if questions else text))
