"""Tests of a message on the page, without the page."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

from support.pixels import png

from langchain_memlora import MemLoRAMemory
from langchain_memlora.errors import EngineError
from langchain_memlora.types import Event
from langchain_memlora.ui.exchange import Exchange, Image, read_image, send_message

PICTURE = Image("dog.png", f"data:image/png;base64,{base64.b64encode(png()).decode()}")


def stages(memory: MemLoRAMemory, text: str, **given: object) -> list[Exchange]:
    return list(send_message(memory, text, user_id="ana", thread_id="page", **given))  # type: ignore[arg-type]


def test_statement_is_remembered(memory: MemLoRAMemory) -> None:
    working, done = stages(memory, " I live in Porto ")
    assert working.working
    assert (done.text, done.working, done.answer, done.problems) == ("I live in Porto", "", None, ())
    assert done.result
    assert [o.event for o in done.result.operations] == [Event.ADD]


def test_question_is_answered_then_stored(memory: MemLoRAMemory) -> None:
    stages(memory, "I live in Porto")
    reading, remembering, done = stages(memory, "Where do I live?")
    assert reading.answer is None
    assert remembering.answer is not None
    assert done.answer == remembering.answer
    assert done.answer.hits
    assert any(hit.text == "Where do I live?" for hit in memory.search("I live?", user_id="ana", include="turns"))


def test_image_without_vision_keeps_text(memory: MemLoRAMemory) -> None:
    done = stages(memory, "I live in Porto", images=[PICTURE])[-1]
    assert done.result
    assert "no vision expert" in done.result.errors[0].message
    assert [m.text for m in memory.get_all(user_id="ana")] == ["User live in Porto"]
    asked = stages(memory, "Where do I live?", images=[PICTURE])[-1]
    assert asked.answer
    assert asked.result
    assert "no vision expert" in asked.result.errors[0].message


def test_image_with_captioner_is_captioned(make_memory: Callable[..., MemLoRAMemory]) -> None:
    done = stages(make_memory(captioner=lambda picture: "a teal square"), "I live here", images=[PICTURE])[-1]
    assert done.result
    assert [o.after for o in done.result.operations] == ["User live here (picture: a teal square)"]


def test_broken_upload_keeps_text(memory: MemLoRAMemory) -> None:
    done = stages(memory, "Where do I live?", images=[Image("dog.png", "data:image/png;base64,AAAA")])[-1]
    assert done.answer
    assert done.result
    assert done.result.errors[0].kind == "InvalidImageError"


def test_engine_error_becomes_problem_text(make_memory: Callable[..., MemLoRAMemory]) -> None:
    def broken(prompt: str) -> str:
        raise EngineError("The engine is out of order. Try again.")

    done = stages(make_memory(extraction=broken), "I live in Porto")[-1]
    assert "out of order" in done.problems[0]


def test_upload_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "dog.png").write_bytes(png())
    assert read_image(tmp_path / "dog.png") == PICTURE
