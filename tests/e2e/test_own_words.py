"""Tests of memories in the user's own words, and of bundles that write sentences, through the real model."""

from __future__ import annotations

from pathlib import Path

import pytest

from langchain_memlora import MemLoRAMemory, load_bundle
from tests.e2e.conftest import Open

pytestmark = pytest.mark.model


def test_memories_quote_the_user(open_memory: Open) -> None:
    message = "What a day! My sister Lena moved to Oslo in May, and she works as a vet there. Any ideas for a gift?"
    memory = open_memory()
    memory.add(message, user_id="ana")
    (stored,) = memory.get_all(user_id="ana")
    assert stored.form == "said"
    assert stored.said is not None
    assert message[stored.said.start : stored.said.end] in stored.text
    assert "Lena moved to Oslo" in stored.text
    assert "gift" not in stored.text


def test_short_answer_keeps_its_question(open_memory: Open) -> None:
    said = [
        {"role": "assistant", "content": "Happy to help. How many nights will you stay in Lisbon?"},
        {"role": "user", "content": "Six nights."},
    ]
    memory = open_memory()
    memory.add(said, user_id="ben")
    assert [m.text for m in memory.get_all(user_id="ben")] == [
        'Assistant: "How many nights will you stay in Lisbon?" User: "Six nights."'
    ]


@pytest.mark.parametrize(
    "message",
    [
        "Can you explain how a heat pump works?",
        "Translate into French: 'My dog Bruno ate my homework.'",
        "Write a poem about a nurse who lives in Porto.",
    ],
)
def test_silent_messages_store_nothing(open_memory: Open, message: str) -> None:
    memory = open_memory()
    memory.add(message, user_id="cem")
    assert memory.get_all(user_id="cem") == []


def test_unknown_language_is_searchable_but_not_read(open_memory: Open) -> None:
    message = "Meine Schwester Lena zieht nächsten Monat nach Leipzig und sucht dort eine Wohnung."
    memory = open_memory()
    result = memory.add(message, user_id="dia")
    assert result.unread == result.turn_ids
    assert memory.get_all(user_id="dia") == []
    assert memory.search("Leipzig", user_id="dia")[0].text == message


@pytest.mark.slow
def test_bundle_that_writes_sentences_still_works(tmp_path: Path) -> None:
    bundle = load_bundle("smollm2-135m-locomo")
    assert bundle.card.dialect == "lines"
    with MemLoRAMemory(path=tmp_path / "memory", experts=bundle) as memory:
        memory.add("I moved from Porto to Berlin with my dog Bruno.", user_id="ana")
        stored = memory.get_all(user_id="ana")
        assert {m.form for m in stored} == {"written"}
        assert "Berlin" in " ".join(m.text for m in stored)
        assert "Berlin" in memory.answer("Where did I move to?", user_id="ana").text
