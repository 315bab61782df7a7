"""What happens when something is said on the page: a question is answered, and everything is remembered.

Nothing here knows how it looks. Each stage is given as soon as it is reached, so that the page can show it.
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
    """A picture as it was uploaded.

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
    """Something that was said, and what came of it so far.

    Attributes:
        working: What is being done at this moment; empty when all is done.
        answer: For a question.
        result: What the memory made of it.
        problems: What went wrong, in sentences for the reader.
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


def say(
    memory: MemLoRAMemory, text: str, *, user_id: str, thread_id: str, images: Sequence[Image] = ()
) -> Iterator[Exchange]:
    """Say something to the memory; gives the exchange again each time that it has come further.

    A question is answered first, then remembered like everything else. What goes wrong becomes one of the exchange's
    problems; of images that nobody can look at, the result's errors tell, and the text is remembered all the same.

    Example:
        ```python
        from langchain_memlora import MemLoRAMemory
        from langchain_memlora.ui.talk import say

        with MemLoRAMemory(path="/tmp/memlora-example") as memory:
            *_, done = say(memory, "I moved to Berlin.", user_id="ana", thread_id="page")
            print(done.result.operations)
        ```
    """
    now = Exchange(text.strip(), tuple(images))
    try:
        if is_question(now.text):
            yield replace(now, working="Reading my notes")
            now = _asked(memory, now, user_id)
        yield replace(now, working="Remembering")
        now = _told(memory, now, user_id, thread_id)
    except MemLoRAError as error:
        now = replace(now, problems=(*now.problems, str(error)))
    yield now


def _asked(memory: MemLoRAMemory, now: Exchange, user_id: str) -> Exchange:
    try:
        answer = memory.answer(now.text, user_id=user_id, images=[image.url for image in now.images])
    except (VisionNotConfiguredError, InvalidImageError):  # telling it to the memory will say so
        answer = memory.answer(now.text, user_id=user_id)
    return replace(now, answer=answer)


def _told(memory: MemLoRAMemory, now: Exchange, user_id: str, thread_id: str) -> Exchange:
    words = [{"type": "text", "text": now.text}] if now.text else []
    seen = {"role": "user", "content": [*words, *(image.block for image in now.images)]}
    result = memory.add(seen if now.images else now.text, user_id=user_id, thread_id=thread_id)
    return replace(now, result=result)
