"""Chats: several messages in, a streamed reply out. Shared by all engines and independent of any model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from langchain_memlora.errors import InvalidInputError

ChunkCallback = Callable[[str], bool]
"""Receives the next chunk of a reply; returns `False` to stop the generation."""


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A conversation to reply to.

    Attributes:
        role: The adapter to use; `None` for the base model.
        messages: Speaker (`system`, `user` or `assistant`) and text of each message, oldest first.
        max_tokens: Stop after this many tokens at the latest; with 0 the messages are only counted.
        temperature: 0 takes the most probable token each time; above 0, tokens are sampled.
        top_p: Sample only among the most probable tokens that together have this probability.
        stop: The reply ends before the first of these strings.
        seed: Random seed.

    Raises:
        InvalidInputError: A value is out of range.
    """

    role: str | None
    messages: tuple[tuple[str, str], ...]
    max_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    stop: tuple[str, ...] = ()
    seed: int | None = None

    def __post_init__(self) -> None:
        if not self.messages:
            raise InvalidInputError("messages is empty. Pass at least one message.")
        if self.max_tokens < 0 or self.temperature < 0 or not 0 < self.top_p <= 1:
            msg = (
                f"max_tokens={self.max_tokens}, temperature={self.temperature}, top_p={self.top_p} can't be used. "
                "Pass max_tokens and temperature of 0 or more and a top_p above 0 and at most 1."
            )
            raise InvalidInputError(msg)
        if isinstance(self.stop, str) or not all(isinstance(word, str) and word for word in self.stop):
            msg = f"stop is {self.stop!r}. Pass a tuple of strings of at least one character."
            raise InvalidInputError(msg)


class StopFilter:
    """Cuts a growing text into chunks, and ends it before a stop word.

    A stop word may consist of several tokens, and a character of several bytes; an incomplete one is held back.

    Args:
        stop: The text ends before the first of these.

    Attributes:
        text: The text passed on so far.
        reached: Whether a stop word was found; nothing is passed on after it.
    """

    def __init__(self, stop: tuple[str, ...] = ()) -> None:
        self._stop = stop
        self.text = ""
        self.reached = False

    def read(self, whole: str, *, last: bool = False) -> str:
        """Take the whole text so far, and return the chunk that is new and final.

        Args:
            last: Nothing follows, so nothing is held back.
        """
        if self.reached:
            return ""
        start = len(self.text)
        found = [at for word in self._stop if (at := whole.find(word, start)) >= 0]
        self.reached = bool(found)
        end = min(found) if found else len(whole) if last else self._safe(whole)
        chunk = whole[start:end]
        self.text += chunk
        return chunk

    def _safe(self, whole: str) -> int:
        complete = whole.rstrip("\ufffd")  # how half a character is decoded
        beginnings = (word[:length] for word in self._stop for length in range(1, len(word)))
        return len(complete) - max((len(part) for part in beginnings if complete.endswith(part)), default=0)
