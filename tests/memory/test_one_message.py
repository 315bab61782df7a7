"""Tests that all facts of one message are kept beside each other, as callers see them."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.vectorstores import InMemoryVectorStore
from support import BagOfWords, pair, plain_bundle

from langchain_memlora import MemLoRAMemory
from langchain_memlora.testing import ScriptedEngine

OLD = ("diet: only vegetables", "drug: omeprazole")
LABELS = ("ADD", "NONE", "UPDATE", "DELETE")
Asked = tuple[str, int]
"""A decision about one fact, and the memory of `OLD` that it is about."""


def after(decisions: Sequence[Asked], *, old: Sequence[str] = OLD) -> list[str]:
    """Return the active memories after one message with a fact for each decision; DELETE is a request to forget."""
    rows = [f"{'forget: ' if event == 'DELETE' else ''}fact {number}" for number, (event, _) in enumerate(decisions)]

    def extract(prompt: str) -> str:
        said = prompt.split("\n")[-3]
        return "\n".join(f"1 {row}" for row in rows) if "news" in said else f"1 {said.split(': ', 1)[1]}"

    def decide(prompt: str) -> str:
        memory, fact = pair(prompt)
        event, about = decisions[int(fact.rsplit(" ", 1)[1])] if "fact" in fact else ("ADD", 0)
        return event if memory == f"User {old[about]}" else "ADD"

    with tempfile.TemporaryDirectory() as folder:
        engine = ScriptedEngine(extraction=extract, memory_update=decide, generation="")
        options = {"engine": engine, "reranker": None, "index": InMemoryVectorStore(BagOfWords())}
        with MemLoRAMemory(path=Path(folder), experts=plain_bundle(), **options) as memory:  # type: ignore[arg-type]
            for text in old:
                memory.add(text, user_id="ana", thread_id=text)
            assert memory.add(f"news: {', '.join(rows)}", user_id="ana", thread_id="news").status == "ok"
            return [m.text.removeprefix("User ") for m in memory.get_all(user_id="ana")]


@pytest.mark.parametrize(
    ("events", "texts"),
    [
        ("UPDATE UPDATE", ["fact 0", "fact 1"]),
        ("UPDATE DELETE", ["fact 0"]),
        ("DELETE UPDATE", ["fact 1"]),
        ("DELETE ADD", ["fact 1"]),
        ("ADD DELETE", ["fact 0"]),
        ("NONE UPDATE", ["fact 1"]),
        ("UPDATE NONE", ["fact 0"]),
        ("NONE DELETE", []),
        ("DELETE NONE", []),
        ("DELETE DELETE", []),
        ("UPDATE DELETE UPDATE", ["fact 0", "fact 2"]),
    ],
)
def test_facts_about_one_memory(events: str, texts: list[str]) -> None:
    assert after([(event, 0) for event in events.split()], old=OLD[:1]) == texts


@settings(max_examples=10)
@given(st.lists(st.tuples(st.sampled_from(LABELS), st.integers(0, 1)), min_size=1, max_size=4))
def test_nothing_stated_is_lost(decisions: list[Asked]) -> None:
    kept = after(decisions)
    stated = [f"fact {number}" for number, (event, _) in enumerate(decisions) if event in {"ADD", "UPDATE"}]
    changed = {about for event, about in decisions if event in {"UPDATE", "DELETE"}}
    assert sorted(kept) == sorted([*stated, *(text for number, text in enumerate(OLD) if number not in changed)])
