"""Tests that redacted text is in no file, prompt or embedding."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from support import BagOfWords, tell, texts
from support.files import files_with

from langchain_memlora import MemLoRAMemory
from langchain_memlora.errors import InvalidInputError

Make = Callable[..., MemLoRAMemory]
CARD = re.compile(r"\b\d{4}([ -]?\d{4}){3}\b")
NUMBER = "4111 1111 1111 1111"


def without_cards(text: str) -> str:
    return CARD.sub("[card]", text)


@pytest.mark.parametrize("backend", ["chroma"])
@pytest.mark.parametrize("options", [{}, {"infer": False}, {"background": True}])
def test_redacted_text_is_stored_nowhere(make_memory: Make, options: dict[str, Any]) -> None:
    prompts: list[str] = []
    embeddings = BagOfWords()
    memory = make_memory(
        redact=without_cards, embeddings=embeddings, extraction=lambda p: (prompts.append(p), tell(p))[1]
    )
    memory.add([f"I pay with {NUMBER}", ("assistant", f"Charged {NUMBER}.")], user_id="ana", **options)
    memory.flush()
    kept = memory.get_all(user_id="ana")[0]
    assert "pay with [card]" in kept.text
    memory.update(kept.id, f"User pays with {NUMBER}, mostly", user_id="ana")
    assert texts(memory.get_all(user_id="ana")) == ["User pays with [card], mostly"]
    assert not any(NUMBER in text for text in [*prompts, *embeddings.embedded])
    assert files_with(NUMBER.encode(), memory.path) == []


def test_fully_redacted_message_is_skipped(make_memory: Make) -> None:
    result = make_memory(redact=lambda text: "").add(["I own a cat"], user_id="ana")
    assert (result.skipped, result.turn_ids) == (1, ())


@pytest.mark.parametrize(
    ("hook", "kind"), [(lambda text: 1 / 0, ZeroDivisionError), (lambda text: None, InvalidInputError)]
)
def test_failing_hook_stores_nothing(make_memory: Make, hook: Any, kind: type[Exception]) -> None:
    memory = make_memory(redact=hook)
    with pytest.raises(kind):
        memory.add(["I own a cat"], user_id="ana")
    assert memory.ledger.counts()["turns"] == 0
