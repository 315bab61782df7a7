"""Rows of a student that chooses sentences, from facts whose message is known.

A fact belongs to the sentence of its message that has most of its words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from langchain_memlora.bundles import Bundle, Role
from langchain_memlora.experts import Window, cut_windows
from langchain_memlora.experts.dialects import Spans
from langchain_memlora.experts.dialects.lines import read_fact
from langchain_memlora.experts.prompts import render
from langchain_memlora.experts.sentence_prompt import CONTEXT_MESSAGES
from langchain_memlora.lab.training.choices import sentence_labels
from langchain_memlora.lab.training.messages import LabelledMessage, LabelledSentence, MessageBefore
from langchain_memlora.lab.training.rows import AnnotatedTurn, TextRow, as_row

_WORD = re.compile(r"\w{3,}")
_STEM_LETTERS = 5


def taught_sentences(bundle: Bundle, sessions: Iterable[Sequence[AnnotatedTurn]]) -> list[TextRow]:
    """Return a row for each sentence of each source message, with its label as target."""
    spec = bundle.card.window
    rows = []
    for session in sessions:
        facts = {item.turn.id: item.facts for item in session}
        turns = [item.turn for item in session]
        windows = cut_windows(turns, new_turns=spec.new_turns, context_turns=spec.context_turns, whole_messages=True)
        for window in windows:
            for position, line in enumerate(window.lines):
                if line.number is not None:
                    before = [replace(earlier, number=None) for earlier in window.lines[:position]]
                    rows += _message_rows(bundle, Window((*before, line)), facts[line.turn.id])
    return rows


def _message_rows(bundle: Bundle, window: Window, facts: Sequence[tuple[str, bool]]) -> list[TextRow]:
    """Return the rows of a window's last message, the only one that states facts."""
    asks = Spans().ask_extraction(window)
    said = [ask.slots["sentence"] for ask in asks]
    if not said:
        return []
    writer = replace(window.lines[-1].turn, speaker=None)
    stated: dict[int, list[str]] = {}
    forgotten: dict[int, str] = {}
    for sentence, retracts in facts:
        fact = read_fact(sentence, writer).text
        place = _place(fact, said)
        if retracts:
            forgotten[place] = fact
        else:
            stated.setdefault(place, []).append(fact)
    sentences = tuple(
        LabelledSentence(text, tuple(stated.get(place, ())), forgotten.get(place, ""))
        for place, text in enumerate(said)
    )
    context = tuple(
        MessageBefore("user" if line.turn.role == "user" else "assistant", line.text)
        for line in window.lines[:-1][-CONTEXT_MESSAGES:]
    )
    labels = sentence_labels(LabelledMessage(writer.id, " ".join(said), sentences, context))
    return [
        as_row(render(bundle, Role.EXTRACTION, **ask.slots), label) for ask, label in zip(asks, labels, strict=True)
    ]


def _place(fact: str, sentences: Sequence[str]) -> int:
    """Return the number of the sentence that has most of a fact's words; the first of equal ones."""
    words = _stems(fact)
    return max(range(len(sentences)), key=lambda number: len(words & _stems(sentences[number])))


def _stems(text: str) -> set[str]:
    return {word[:_STEM_LETTERS] for word in _WORD.findall(text.casefold())}
