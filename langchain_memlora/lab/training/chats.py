"""Raw chats: dated messages without annotation, with optional questions about them.

JSON lines, one chat a line::

    {"id": "ana-1", "messages": [
       {"role": "user", "content": "We moved to Berlin last week.", "date": "2024-03-04 18:20"},
       {"role": "assistant", "content": "Congratulations!"}],
     "questions": [{"question": "Where do I live?", "answer": "Berlin"}]}

Plain text, one chat a file: a line that is only a date begins a sitting, `Name: words` begins a message, and any other line
continues the message before it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from langchain_memlora.errors import InvalidInputError
from langchain_memlora.graph.record import SITTING
from langchain_memlora.types import Scope, Turn

ROLES = ("user", "assistant")
_DATE = re.compile(r"\[?(\d{4}-\d{2}-\d{2}(?:[ T]\d{2}:\d{2}(?::\d{2})?(?:Z|[+-]\d{2}:\d{2})?)?)\]?")
_SAID = re.compile(r"([^:\n]{1,40}):\s+(\S.*)")


class ChatMessage(BaseModel):
    """One message.

    Attributes:
        role: `user` or `assistant`; messages of `system` and `tool` are left out.
        name: The speaker, where several people talk.
        date: Default: that of the message before it. UTC if it names no zone.
    """

    model_config = ConfigDict(extra="ignore")

    role: Literal["user", "assistant", "system", "tool"]
    content: str
    name: str | None = None
    date: datetime | None = None


class ChatQuestion(BaseModel):
    """A question about a chat.

    Attributes:
        answer: The gold answer; `None` if the chat does not have it. Left out, the teacher answers.
    """

    model_config = ConfigDict(extra="ignore")

    question: str = Field(min_length=1, pattern=r"\S")
    answer: str | None = None

    @property
    def has_gold(self) -> bool:
        """True if `answer` was given, even as `None`."""
        return "answer" in self.model_fields_set


class Chat(BaseModel):
    """One person's or group's messages in order, over days or months."""

    model_config = ConfigDict(extra="ignore")

    id: str = Field(min_length=1, max_length=200, pattern=r"\S")
    messages: list[ChatMessage] = Field(min_length=1)
    questions: list[ChatQuestion] = []

    @model_validator(mode="after")
    def _dates_are_known(self) -> Chat:
        if self.messages[0].date is None:
            msg = f"the first message of chat {self.id} has no date, which its 'yesterday' would be counted from"
            raise ValueError(msg)
        return self

    def sittings(self) -> list[list[Turn]]:
        """Return the turns as a ledger would hold them, split where more than six hours pass between two messages."""
        found: list[list[Turn]] = []
        at: datetime | None = None
        for number, message in enumerate(self.messages):
            said_at = _aware(message.date) if message.date else at
            if said_at is None or message.role not in ROLES or not message.content.strip():
                at = said_at
                continue
            if not found or at is None or abs(said_at - at) > SITTING:
                found.append([])
            at = said_at
            key = f"{self.id}/{number}"
            scope = Scope(self.id)
            turn = Turn(key, scope, message.role, message.content, at, "given", message.name, message_id=key)
            found[-1].append(turn)
        return found


def load_chats(*paths: Path) -> list[Chat]:
    """Read chats from `.jsonl` files and plain-text files.

    Raises:
        InvalidInputError: A line is not a chat, two chats share an id, or a path is a folder; the message names file and line.

    Example:
        ```python
        import json
        from pathlib import Path
        from langchain_memlora.lab.training.chats import load_chats

        message = {"role": "user", "content": "I live in Rome.", "date": "2024-05-08"}
        Path("/tmp/chats.jsonl").write_text(json.dumps({"id": "ana", "messages": [message]}))
        assert load_chats(Path("/tmp/chats.jsonl"))[0].sittings()[0][0].text == "I live in Rome."
        ```
    """
    chats: dict[str, Chat] = {}
    for path in paths:
        if path.is_dir():
            msg = f"{path} is a folder. Pass files of chats; only `--vision` takes folders, of pictures."
            raise InvalidInputError(msg)
        for place, chat in _json_lines(path) if path.suffix == ".jsonl" else [(str(path), _plain_text(path))]:
            if chat.id in chats:
                msg = f"{place} is a second chat {chat.id!r}. Give every chat an id of its own."
                raise InvalidInputError(msg)
            chats[chat.id] = chat
    return list(chats.values())


def _json_lines(path: Path) -> Iterator[tuple[str, Chat]]:
    for number, line in enumerate(path.read_bytes().split(b"\n"), 1):
        if line.strip():
            place = f"{path}:{number}"
            try:
                yield place, Chat.model_validate(json.loads(line))
            except (ValueError, ValidationError) as error:
                raise _not_a_chat(place, error) from error


def _plain_text(path: Path) -> Chat:
    messages: list[dict[str, str]] = []
    date = ""
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            if found := _DATE.fullmatch(line.strip()):
                date = found[1]
            elif said := _SAID.fullmatch(line.strip()):
                messages.append({**_speaker(said[1].strip()), "content": said[2], **({"date": date} if date else {})})
            elif line.strip() and messages:
                messages[-1]["content"] += f"\n{line.strip()}"
        return Chat.model_validate({"id": path.stem, "messages": messages})
    except (ValueError, ValidationError) as error:
        raise _not_a_chat(str(path), error) from error


def _speaker(name: str) -> dict[str, str]:
    return {"role": name.lower()} if name.lower() in ROLES else {"role": "user", "name": name}


def _not_a_chat(place: str, error: Exception) -> InvalidInputError:
    return InvalidInputError(f"{place} is not a chat: {error}. See docs/training.md for the format.")


def _aware(date: datetime) -> datetime:
    return date.astimezone(UTC) if date.tzinfo else date.replace(tzinfo=UTC)


def transcript(turns: Sequence[Turn]) -> str:
    """Return messages as a teacher reads them, one a line."""
    return "\n".join(f"{turn.speaker or turn.role}: {' '.join(turn.text.split())}" for turn in turns)
