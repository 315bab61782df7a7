"""Tests of the bundle that remembers in the user's own words, through the real model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from langchain_memlora import MemLoRAMemory

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MemLoRAMemory]:
    folder: Path = tmp_path_factory.mktemp("spans")
    with MemLoRAMemory(path=folder, experts="smollm2-135m-spans") as memory:
        yield memory


def test_memories_quote_the_user(memory: MemLoRAMemory) -> None:
    message = "What a day! My sister Lena moved to Oslo in May, and she works as a vet there. Any ideas for a gift?"
    memory.add(message, user_id="ana")
    (stored,) = memory.get_all(user_id="ana")
    assert stored.form == "said"
    assert stored.said is not None
    assert message[stored.said.start : stored.said.end] in stored.text
    assert "Lena moved to Oslo" in stored.text
    assert "gift" not in stored.text


def test_short_answer_keeps_its_question(memory: MemLoRAMemory) -> None:
    said = [
        {"role": "assistant", "content": "Happy to help. How many nights will you stay in Lisbon?"},
        {"role": "user", "content": "Six nights."},
    ]
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
def test_silent_messages_store_nothing(memory: MemLoRAMemory, message: str) -> None:
    memory.add(message, user_id="cem")
    assert memory.get_all(user_id="cem") == []


def test_unknown_language_is_searchable_but_not_read(memory: MemLoRAMemory) -> None:
    message = "Meine Schwester Lena zieht nächsten Monat nach Leipzig und sucht dort eine Wohnung."
    result = memory.add(message, user_id="dia")
    assert result.unread == result.turn_ids
    assert memory.get_all(user_id="dia") == []
    assert memory.search("Leipzig", user_id="dia")[0].text == message
