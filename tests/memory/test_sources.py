"""Tests of where a memory's text comes from, as callers see it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from support import get_memory
from support.files import files_with

from langchain_memlora import MemLoRAMemory, Retention
from langchain_memlora.engines.base import Completion
from langchain_memlora.experts.dialects import ParsedExtraction
from langchain_memlora.experts.dialects.lines import Lines
from langchain_memlora.experts.windows import Window
from langchain_memlora.types import Memory, Span

Make = Callable[..., MemLoRAMemory]
QUESTION = "Do you own a zebrafish?"


class Quoting(Lines):
    """Marks the whole message as the span of each fact, with the message before it as its question."""

    def read_extraction(self, completion: Completion, window: Window) -> ParsedExtraction:
        turns = list(dict.fromkeys(line.turn.id for line in window.lines))
        text = {line.turn.id: line.turn.words for line in window.lines}
        before = {after: text[turn] for turn, after in pairwise(turns)}
        parsed = super().read_extraction(completion, window)
        marked = (
            replace(fact, form="said", said=Span(0, len(text[fact.turn_id]), before.get(fact.turn_id, "")))
            for fact in parsed.facts
        )
        return replace(parsed, facts=tuple(marked))


@pytest.fixture
def quoting(make_memory: Make) -> Make:
    """Return a function that opens memories whose extraction marks spans."""

    def make(**options: object) -> MemLoRAMemory:
        memory = make_memory(**options)
        memory.services.experts.dialect = Quoting()
        return memory

    return make


def only(memory: MemLoRAMemory) -> Memory:
    (found,) = memory.get_all(user_id="ana")
    return found


def test_added_fact_keeps_its_span(quoting: Make) -> None:
    memory = quoting()
    result = memory.add([("assistant", QUESTION), "I own two"], user_id="ana")
    assert result.operations[0].form == only(memory).form == "said"
    span = only(memory).said
    assert span == Span(0, 9, QUESTION)
    (turn,) = memory.turns(only(memory).turn_ids, user_id="ana")
    assert turn.words[span.start : span.end] == "I own two"


def test_callers_text_is_given_and_restore_undoes_it(quoting: Make) -> None:
    memory = quoting()
    memory.add("I own a cat", user_id="ana")
    key = only(memory).id
    memory.update(key, "User owns a tabby", user_id="ana")
    assert (only(memory).form, only(memory).said) == ("given", None)
    memory.restore(key, user_id="ana")
    assert (only(memory).form, only(memory).said) == ("said", Span(0, 11))
    memory.delete(key, user_id="ana")
    memory.restore(key, user_id="ana")
    assert (only(memory).form, only(memory).said) == ("said", Span(0, 11))
    assert [op.form for op in memory.history(key, user_id="ana")] == ["said", "given", "said", "said", "said"]


@pytest.mark.parametrize("by", ["infer", "tool"])
def test_verbatim_text_is_given(quoting: Make, by: str) -> None:
    memory = quoting()
    if by == "tool":
        (tool,) = (tool for tool in memory.as_tools(user_id="ana") if tool.name == "save_memory")
        tool.invoke({"fact": "User owns a cat"})
    else:
        memory.add("I own a cat", user_id="ana", infer=False)
    assert (only(memory).form, only(memory).said) == ("given", None)


def test_export_carries_source(quoting: Make, make_memory: Make, tmp_path: Path) -> None:
    memory = quoting()
    memory.add([("assistant", QUESTION), "I own two"], user_id="ana")
    memory.export(tmp_path / "ana.jsonl", user_id="ana")
    other = make_memory(path=tmp_path / "other")
    other.import_(tmp_path / "ana.jsonl")
    assert only(other) == only(memory)


@pytest.mark.parametrize("backend", ["chroma"])
def test_question_is_erased_with_its_user(quoting: Make) -> None:
    memory = quoting()
    memory.add([("assistant", QUESTION), "I own two"], user_id="ana")
    memory.forget(user_id="ana")
    assert files_with(b"zebrafish", memory.path) == []


@pytest.mark.parametrize("backend", ["chroma"])
def test_question_expires_with_its_message(quoting: Make) -> None:
    memory = quoting()
    memory.add([("assistant", QUESTION), "I own two"], user_id="ana")
    key = only(memory).id
    memory.expire(Retention(turns=1))
    assert get_memory(memory.ledger, key).said == Span(0, 9)
    assert files_with(b"zebrafish", memory.path) == []


@pytest.mark.parametrize("backend", ["chroma"])
def test_question_is_redacted(quoting: Make) -> None:
    memory = quoting(redact=lambda text: text.replace("zebrafish", "[pet]"))
    memory.add([("assistant", QUESTION), "I own two"], user_id="ana")
    assert only(memory).said == Span(0, 9, "Do you own a [pet]?")
    assert files_with(b"zebrafish", memory.path) == []
