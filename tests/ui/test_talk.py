"""What happens when something is said on the page, whatever the page looks like."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from langchain_memlora import MemLoRAMemory
from langchain_memlora.errors import EngineError
from langchain_memlora.types import Event
from langchain_memlora.ui.talk import Exchange, Image, read_image, say

PICTURE = Image("dog.png", "data:image/png;base64,AAAA")


def stages(memory: MemLoRAMemory, text: str, **given: object) -> list[Exchange]:
    return list(say(memory, text, user_id="ana", thread_id="page", **given))  # type: ignore[arg-type]


def test_what_is_told_is_remembered(memory: MemLoRAMemory) -> None:
    working, done = stages(memory, " I live in Porto ")
    assert working.working
    assert (done.text, done.working, done.answer, done.problems) == ("I live in Porto", "", None, ())
    assert done.result
    assert [o.event for o in done.result.operations] == [Event.ADD]


def test_a_question_is_answered_first_and_then_kept(memory: MemLoRAMemory) -> None:
    stages(memory, "I live in Porto")
    reading, remembering, done = stages(memory, "Where do I live?")
    assert reading.answer is None
    assert remembering.answer is not None
    assert done.answer == remembering.answer
    assert done.answer.hits
    assert any(hit.text == "Where do I live?" for hit in memory.search("I live?", user_id="ana", include="turns"))


def test_a_picture_that_nobody_can_see_is_said_and_its_words_are_read(memory: MemLoRAMemory) -> None:
    done = stages(memory, "I live in Porto", images=[PICTURE])[-1]
    assert "no vision expert" in done.problems[0]
    assert [m.text for m in memory.get_all(user_id="ana")] == ["User live in Porto"]
    asked = stages(memory, "Where do I live?", images=[PICTURE])[-1]
    assert asked.answer
    assert "no vision expert" in asked.problems[0]


def test_a_picture_alone_asks_for_words(memory: MemLoRAMemory) -> None:
    done = stages(memory, "", images=[PICTURE])[-1]
    assert "Say in words" in done.problems[0]
    assert done.result is None


def test_a_failing_engine_is_a_sentence_not_a_crash(make_memory: Callable[..., MemLoRAMemory]) -> None:
    def broken(prompt: str) -> str:
        raise EngineError("The engine is out of order. Try again.")

    done = stages(make_memory(extraction=broken), "I live in Porto")[-1]
    assert "out of order" in done.problems[0]


def test_an_upload_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "dog.png").write_bytes(b"\x00\x00\x00")
    assert read_image(tmp_path / "dog.png") == PICTURE
