"""Tests of the text in the panels of the page."""

from __future__ import annotations

import re
from html import unescape

from support import MAY_8

from langchain_memlora import MemLoRAMemory
from langchain_memlora.types import Answer, Event
from langchain_memlora.ui.conversation import DONT_KNOW, conversation
from langchain_memlora.ui.exchange import Exchange
from langchain_memlora.ui.panel_data import HISTORY_SHOWN, read_panel_data
from langchain_memlora.ui.panels import panels

NASTY = 'I like <img src=x onerror="alert(1)"> & <script>alert(2)</script>'


def shown(memory: MemLoRAMemory, answer: Answer | None = None, **fresh: Event) -> dict[str, str]:
    """The text of each panel, its tags left out."""
    html = str(panels(read_panel_data(memory, "ana"), answer, fresh))
    parts = re.split(r'data-panel="(\w+)">', html)
    texts = [" ".join(unescape(re.sub(r"<[^>]+>", " ", part)).split()) for part in parts]
    return dict(zip(texts[1::2], texts[2::2], strict=True))


def tell(memory: MemLoRAMemory, text: str) -> str:
    return str(memory.add(text, user_id="ana", observed_at=MAY_8).operations[0].memory_id)


def test_empty_memory_shows_explanations(memory: MemLoRAMemory) -> None:
    for text in shown(memory).values():
        assert len(text.split()) > 8


def test_memory_shows_day_source_and_dates(memory: MemLoRAMemory) -> None:
    tell(memory, "I moved to Berlin last week")
    text = shown(memory)["memories"]
    for part in ("User moved to Berlin last week", "8 May 2024", "last week = ", "from 1 message", "you, 8 May 2024"):
        assert part in text
    assert "Undo" not in text


def test_update_shows_before_after_and_undo(memory: MemLoRAMemory) -> None:
    key = tell(memory, "I live in Porto")
    tell(memory, "I live in Berlin")
    found = shown(memory)
    assert "before: User live in Porto" in found["memories"]
    assert "UPDATE User live in Porto → User live in Berlin" in found["changes"]
    assert "by the expert, 98% sure" in found["changes"]
    memory.restore(key, user_id="ana")
    found = shown(memory)
    assert "Undo" not in found["memories"]
    assert "undone by you" in found["changes"]


def test_undo_is_offered_when_restore_works(memory: MemLoRAMemory) -> None:
    key = tell(memory, "I live in Porto")
    memory.update(key, "two", user_id="ana")
    memory.update(key, "three", user_id="ana")
    for expected in ("two", "User live in Porto"):
        assert read_panel_data(memory, "ana").before[key] == expected
        assert memory.restore(key, user_id="ana").after == expected
    assert key not in read_panel_data(memory, "ana").before


def test_deleted_memory_is_listed_apart(memory: MemLoRAMemory) -> None:
    memory.delete(tell(memory, "I live in Porto"), user_id="ana")
    found = shown(memory)
    assert "Nothing remembered yet" in found["memories"]
    assert "1 forgotten A memory said 8 May 2024 forgotten today" in found["memories"]
    assert "Bring back" in found["memories"]
    assert "DELETE forgotten" in found["changes"]
    assert "Porto" not in "".join(found.values())


def test_recalled_panel_shows_context(memory: MemLoRAMemory) -> None:
    tell(memory, "I live in Porto")
    text = shown(memory, memory.answer("Where do I live?", user_id="ana"))["recalled"]
    assert "Memory said 8 May 2024 User live in Porto" in text
    assert "the exact text the expert read" in text


def test_user_text_is_escaped(memory: MemLoRAMemory) -> None:
    tell(memory, NASTY)
    answer = memory.answer("What do I like?", user_id="ana")
    html = str(panels(read_panel_data(memory, "ana"), answer))
    html += str(conversation([Exchange(NASTY, answer=answer, problems=(NASTY,))], NASTY))
    html += str(conversation([], NASTY))
    assert "<img" not in html
    assert "<script" not in html


def test_long_history_is_truncated_with_note(memory: MemLoRAMemory) -> None:
    key = tell(memory, "I live in Porto")
    for number in range(HISTORY_SHOWN):
        memory.update(key, f"text {number}", user_id="ana")
    assert f"The newest {HISTORY_SHOWN} of {HISTORY_SHOWN + 1} changes" in shown(memory)["changes"]


def test_other_users_are_not_shown(memory: MemLoRAMemory) -> None:
    memory.add("I drink tea", user_id="ben")
    assert "tea" not in "".join(shown(memory).values())


def test_unknown_answer_is_reworded() -> None:
    exchange = Exchange("Where?", answer=Answer("unknown", known=False))
    assert DONT_KNOW in unescape(str(conversation([exchange], "ana")))
