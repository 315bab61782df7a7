"""One exchange on the page: a question is answered, and every message is remembered.

This module does no rendering. Each stage is yielded as soon as it is reached, so that the page can show it.
"""

from __future__ import annotations

import base64
import mimetypes
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_memlora.errors import InvalidImageError, MemLoRAError, VisionNotConfiguredError
from langchain_memlora.intake.messages import is_question
from langchain_memlora.types import AddResult, Answer

if TYPE_CHECKING:
    from langchain_memlora.memory.memory import MemLoRAMemory


@dataclass(frozen=True, slots=True)
class Image:
    """An uploaded picture.

    Attributes:
        url: Its bytes as a data URL.
    """

    name: str
    url: str

    @property
    def block(self) -> dict[str, Any]:
        """The image as a content block of a message."""
        return {"type": "image_url", "image_url": {"url": self.url}}


@dataclass(frozen=True, slots=True)
class Exchange:
    """A message and its results so far.

    Attributes:
        working: The current step; empty when all steps are done.
        answer: The answer to a question.
        result: The result of `add`.
        problems: Error messages to show.
    """

    text: str
    images: tuple[Image, ...] = ()
    working: str = ""
    answer: Answer | None = None
    result: AddResult | None = None
    problems: tuple[str, ...] = ()


def read_image(path: Path) -> Image:
    """Read an uploaded picture."""
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return Image(path.name, f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}")


def send_message(
    memory: MemLoRAMemory, text: str, *, user_id: str, thread_id: str, images: Sequence[Image] = ()
) -> Iterator[Exchange]:
    """Send a message to the memory; yields the exchange after each step.

    A question is answered first, then remembered like any message. Errors are collected in the exchange's problems; images
    that no expert can read are listed in the result's errors, and the text is remembered nevertheless.

    Example:
        ```python
        from langchain_memlora import MemLoRAMemory
        from langchain_memlora.ui.exchange import send_message

        with MemLoRAMemory(path="/tmp/memlora-example") as memory:
            *_, done = send_message(memory, "I moved to Berlin.", user_id="ana", thread_id="page")
            print(done.result.operations)
        ```
    """
    now = Exchange(text.strip(), tuple(images))
    try:
        if is_question(now.text):
            yield replace(now, working="Reading my notes")
            now = _answered(memory, now, user_id)
        yield replace(now, working="Remembering")
        now = _remembered(memory, now, user_id, thread_id)
    except MemLoRAError as error:
        now = replace(now, problems=(*now.problems, str(error)))
    yield now


def _answered(memory: MemLoRAMemory, now: Exchange, user_id: str) -> Exchange:
    try:
        answer = memory.answer(now.text, user_id=user_id, images=[image.url for image in now.images])
    except (VisionNotConfiguredError, InvalidImageError):  # `add` reports the same error
        answer = memory.answer(now.text, user_id=user_id)
    return replace(now, answer=answer)


def _remembered(memory: MemLoRAMemory, now: Exchange, user_id: str, thread_id: str) -> Exchange:
    words = [{"type": "text", "text": now.text}] if now.text else []
    message = {"role": "user", "content": [*words, *(image.block for image in now.images)]}
    result = memory.add(message if now.images else now.text, user_id=user_id, thread_id=thread_id)
    return replace(now, result=result)
