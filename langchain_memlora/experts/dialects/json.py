"""The paper's dialect (arXiv 2512.04763, appendix A): both experts write JSON in Mem0's form.

Extraction: `{"facts": ["...", ...]}`. Update: `{"memory": [{"id", "text", "event", "old_memory"}]}`, where ids count the
candidates from 0, as in Mem0, so that no real id ever reaches a prompt. Vision: `{"answer": "...", "reason": "..."}`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from langchain_memlora.engines.base import Completion
from langchain_memlora.errors import ExpertOutputError
from langchain_memlora.experts.dialects.base import Ask, Dialect, ParsedExtraction, without_echoes, written_fact
from langchain_memlora.experts.grounding import Said, content_words
from langchain_memlora.experts.windows import Window, speaker_of
from langchain_memlora.types import Decision, Event, Fact, Memory, Turn

_FENCE = re.compile(r"```(?:json)?\s*(.*?)```", re.DOTALL)


class Json(Dialect):
    """The JSON dialect of the paper; see the module."""

    name = "json"

    def ask_extraction(self, window: Window) -> list[Ask]:
        dialogue = " ".join(f"{speaker_of(line.turn)}: {line.text}" for line in window.lines)
        return [Ask({"dialogue": dialogue})]

    def read_extraction(self, completions: Sequence[Completion], window: Window) -> ParsedExtraction:
        (completion,) = completions
        try:
            rows = _rows(completion.text, "facts")
        except ExpertOutputError as error:
            return ParsedExtraction((), (error,))
        facts, rejected = [], []
        for row in rows:
            text = row.strip() if isinstance(row, str) else ""
            if not text:
                rejected.append(ExpertOutputError(f"{row!r} in 'facts' is not a sentence."))
                continue
            turn = _origin(text, window.turns)
            facts.append(Fact(text, turn.id, turn.observed_at))
        return ParsedExtraction(without_echoes(facts), tuple(rejected))

    def ask_update(self, fact: Fact, candidates: Sequence[Memory]) -> list[Ask]:
        old = json.dumps(
            [{"id": str(i), "text": memory.text} for i, memory in enumerate(candidates)], ensure_ascii=False
        )
        return [Ask({"old": old, "new": json.dumps([written_fact(fact)], ensure_ascii=False)})]

    def read_update(self, completions: Sequence[Completion], fact: Fact, candidates: Sequence[Memory]) -> Decision:
        ids = {str(i): memory.id for i, memory in enumerate(candidates)}
        for row in _rows(completions[0].text, "memory"):
            event, shown = (
                (str(row.get("event", "")).upper(), str(row.get("id"))) if isinstance(row, dict) else ("", "")
            )
            if event == Event.ADD:
                return Decision(Event.ADD, fact)
            if event in {Event.UPDATE, Event.DELETE}:
                if shown not in ids:
                    msg = f"{event} names memory {shown!r}, but only 0 to {len(candidates) - 1} were shown."
                    raise ExpertOutputError(msg)
                return Decision(Event(event), fact, ids[shown])
            if event != Event.NONE:
                msg = f"{row!r} has no event of ADD, UPDATE, DELETE or NONE."
                raise ExpertOutputError(msg)
        return Decision(Event.NONE, fact)

    def read_vision(self, completion: Completion) -> str:
        answer = _under(completion.text, "answer")
        if not isinstance(answer, str | int | float):
            msg = f"No text under 'answer': {completion.text[:200]!r}"
            raise ExpertOutputError(msg)
        return str(answer).strip()

    def write_vision(self, answer: str, reason: str) -> str:
        return json.dumps({"answer": answer, "reason": reason}, ensure_ascii=False)


def _origin(fact: str, turns: Sequence[Turn]) -> Turn:
    """Return the turn that shares most content words with a fact, the last of equal ones.

    A fact that begins with the name of a speaker is from a turn of that speaker.
    """
    own = [turn for turn in turns if turn.speaker and fact.startswith(turn.speaker)] or turns
    content = content_words(fact)
    return max(reversed(own), key=lambda turn: len(content.difference(Said([turn.text]).missing(fact))))


def _rows(text: str, key: str) -> list[Any]:
    rows = _under(text, key)
    if not isinstance(rows, list):
        msg = f"No list under {key!r}: {text[:200]!r}"
        raise ExpertOutputError(msg)
    return rows


def _under(text: str, key: str) -> Any:
    """Return the value of `key` in the JSON object of a model's text; code fences and text around it are ignored."""
    fenced = _FENCE.search(text)
    body = fenced[1] if fenced else text
    start = body.find("{")
    try:
        found = json.JSONDecoder().raw_decode(body[start:])[0] if start >= 0 else None
    except (ValueError, RecursionError) as error:
        msg = f"Not valid JSON ({error}): {text[:200]!r}"
        raise ExpertOutputError(msg) from error
    return found.get(key) if isinstance(found, dict) else None
