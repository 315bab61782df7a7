"""Converts input from callers: strings, dicts and LangChain messages into turns, and ids into scopes, all checked."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from langchain_core.messages import BaseMessage, convert_to_messages

from langchain_memlora.errors import InvalidImageError, InvalidInputError, MissingUserError
from langchain_memlora.intake import ImageStore, as_picture, read_picture
from langchain_memlora.metadata import as_stored
from langchain_memlora.types import Failure, Scope, Turn

Redact = Callable[[str], str]
MAX_CHARACTERS = 50_000
MAX_NAME = 512
MAX_IMAGES = 64
_ROLES = {"human": "user", "ai": "assistant", "system": "system", "tool": "tool", "function": "tool"}
KEPT_ROLES = ("user", "assistant")
QUESTION_WORDS = {"who", "whom", "whose", "what", "when", "where", "which", "why", "how"}


class Given(NamedTuple):
    """The result of converting messages.

    Attributes:
        turns: Turns without ids, which the ledger assigns.
        skipped: Number of messages that hold nothing to keep.
        failures: Images that could not be read; the text beside them is in the turns.
    """

    turns: list[Turn]
    skipped: int
    failures: list[Failure]


def to_scope(user_id: str | None, agent_id: str | None = None, run_id: str | None = None) -> Scope:
    """Check ids and make a scope.

    Raises:
        MissingUserError: `user_id` is missing, blank or a wildcard.
        InvalidInputError: An id is not a string, too long, or holds control characters.
    """
    if not isinstance(user_id, str) or not user_id.strip() or user_id.strip() == "*":
        msg = f"user_id must be a non-empty string other than '*', got {user_id!r}. Pass the id of one user."
        raise MissingUserError(msg)
    for name, value in (("user_id", user_id), ("agent_id", agent_id), ("run_id", run_id)):
        if value is not None:
            check_name(name, value)
    return Scope(user_id, agent_id, run_id)


def to_turns(
    messages: Any,
    scope: Scope,
    *,
    observed_at: datetime | None = None,
    thread_id: str = "",
    metadata: Mapping[str, Any] | None = None,
    images: ImageStore | None = None,
    redact: Redact | None = None,
) -> Given:
    """Convert messages to turns without ids.

    Skipped: system and tool messages, messages that a framework inserted (LangChain marks its summaries with
    `lc_source`), and messages without text or image.

    Args:
        messages: A string (said by the user), a message, or a sequence of messages: LangChain messages, `(role, text)`
            pairs or `{"role", "content"}` dicts, where `name` is the speaker and `id` makes a repeated `add` a no-op.
        observed_at: The aware time at which they were said; the clock's time if not given.
        images: Store for images in the messages, at most 64 per call.
        redact: Applied to each message's text before any other use.

    Raises:
        InvalidInputError: No message, an unknown role, a naive datetime, text that is too long or not valid Unicode.
        LedgerError: An image can't be written.
    """
    given = _as_list(messages)
    if not given:
        msg = f"There are no messages in {messages!r}. Pass a string or a list of messages."
        raise InvalidInputError(msg)
    at, origin = _moment(observed_at)
    facts = _plain(metadata)
    check_name("thread_id", thread_id)
    kept = []
    for message in _converted(given):
        text, blocks = _content(message)
        text = redacted(text, redact)
        if _role(message) in KEPT_ROLES and not message.additional_kwargs.get("lc_source"):
            if message.name:
                check_name("name", message.name)
            kept.append((message, text, blocks))
    turns: list[Turn] = []
    failures: list[Failure] = []
    seen: Counter[str] = Counter()
    room = MAX_IMAGES
    for message, text, blocks in kept:  # all messages are valid by now, so no image is stored in vain
        taken = _pictures(blocks[:room], images, failures)
        if len(blocks) > room:
            failures.append(
                _failure(
                    f"{len(blocks) - room} images exceed the limit of {MAX_IMAGES} per call. Add them in another call."
                )
            )
        room = max(0, room - len(blocks))
        if text.strip() or taken:
            role, speaker = _role(message), message.name or None
            own_id = message.id or _derived_id(role, speaker, text, taken, at, seen)
            turns.append(
                Turn("", scope, role, text, at, origin, speaker, thread_id, own_id, taken, metadata=dict(facts))
            )
    return Given(turns, len(given) - len(turns), failures)


def check_text(text: Any, name: str) -> str:
    """Check a text argument.

    Raises:
        InvalidInputError: It is not a string, blank, too long or not valid Unicode.
    """
    if not isinstance(text, str) or not text.strip():
        msg = f"{name}={text!r} is not a text. Pass a non-blank string."
        raise InvalidInputError(msg)
    if len(text) > MAX_CHARACTERS:
        msg = f"{name} has {len(text)} characters; the limit is {MAX_CHARACTERS}. Split it."
        raise InvalidInputError(msg)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        found = text[error.start : error.end]
        msg = f"{name} is not valid Unicode: {found!r} at position {error.start}. Decode it with errors='replace'."
        raise InvalidInputError(msg) from error
    return text


def check_share(value: Any, name: str) -> None:
    """Check a number from 0 to 1.

    Raises:
        InvalidInputError: It is not one.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        msg = f"{name}={value!r:.80} can't be used. Pass a number from 0 to 1."
        raise InvalidInputError(msg)


def redacted(text: str, redact: Redact | None) -> str:
    """Apply the caller's redaction to a text.

    Raises:
        InvalidInputError: The function returned something other than a string.
    """
    if redact is None or not text:
        return text
    kept = redact(text)
    if not isinstance(kept, str):
        msg = f"redact={redact!r} returned {type(kept).__name__}. Return the text that may be stored, as a string."
        raise InvalidInputError(msg)
    return kept


def is_question(text: str) -> bool:
    """Return True for a message that asks a question rather than states something."""
    first = text.replace("\u2019", "'").casefold().split("'")[0].split(maxsplit=1)[:1]
    return text.endswith("?") or (bool(first) and first[0].strip(",:") in QUESTION_WORDS)


def _as_list(messages: Any) -> list[Any]:
    if isinstance(messages, str | Mapping | BaseMessage):
        return [messages]
    if isinstance(messages, bytes):
        msg = f"Messages are bytes ({messages[:40]!r}). Decode them to str first."
        raise InvalidInputError(msg)
    if not isinstance(messages, Iterable):
        msg = f"{messages!r} is not a message. Pass a string or a list of messages."
        raise InvalidInputError(msg)
    return list(messages)


def _converted(given: Sequence[Any]) -> list[BaseMessage]:
    try:
        return convert_to_messages(given)
    except (ValueError, NotImplementedError, TypeError, KeyError) as error:
        msg = f"A message can't be read: {error}. Use roles user and assistant: {{'role': 'user', 'content': '...'}}."
        raise InvalidInputError(msg) from error


def _moment(observed_at: datetime | None) -> tuple[datetime, Any]:
    if observed_at is None:
        return datetime.now(UTC), "clock"
    if not isinstance(observed_at, datetime) or observed_at.utcoffset() is None:
        msg = f"observed_at={observed_at!r} has no time zone. Pass an aware datetime, e.g. datetime(..., tzinfo=timezone.utc)."
        raise InvalidInputError(msg)
    try:
        return observed_at.astimezone(UTC), "given"
    except OverflowError as error:
        msg = f"observed_at={observed_at!r} has no date in UTC. Pass a datetime within the years 1 to 9999."
        raise InvalidInputError(msg) from error


def _plain(metadata: Mapping[str, Any] | None) -> dict[str, Any]:
    """Convert metadata to JSON values, as they will be read back from disk."""
    try:
        return json.loads(json.dumps(as_stored(dict(metadata or {}))))
    except (TypeError, ValueError, RecursionError) as error:
        msg = f"metadata={metadata!r:.80} can't be stored ({error}). Pass a dict with string keys."
        raise InvalidInputError(msg) from error


def _role(message: BaseMessage) -> str:
    """Return a message's role. Chunks of a streamed message count as messages; a `ChatMessage` has its own role."""
    kind = message.type.removesuffix("MessageChunk").lower()
    kind = str(getattr(message, "role", kind)) if kind == "chat" else kind
    return _ROLES.get(kind, kind)


def _content(message: BaseMessage) -> tuple[str, list[dict[str, Any]]]:
    """Return a message's text and its content blocks that hold images."""
    blocks = message.content if isinstance(message.content, list) else []
    images = [block for block in blocks if isinstance(block, dict) and block.get("type") in {"image", "image_url"}]
    text = message.text
    if text.strip():
        check_text(text, f"a message of role {message.type}")
    return text, images


def _pictures(blocks: Sequence[dict[str, Any]], images: ImageStore | None, failures: list[Failure]) -> tuple[str, ...]:
    """Store images one at a time, and return the references of those that could be read."""
    taken = []
    for block in blocks:
        try:
            if images is None:
                raise InvalidImageError("Images can't be stored here. Pass the text only.")
            taken.append(images.put(as_picture(read_picture(block))))
        except InvalidImageError as error:
            failures.append(_failure(str(error), type(error).__name__))
    return tuple(dict.fromkeys(taken))


def _failure(message: str, kind: str = InvalidImageError.__name__) -> Failure:
    return Failure("", kind, message)


def _derived_id(
    role: str, speaker: str | None, text: str, images: tuple[str, ...], at: datetime, seen: Counter[str]
) -> str:
    """Derive an id for a message without one: the same text at the same time is the same message.

    Duplicates within one call get distinct ids.
    """
    key = repr((role, speaker, text, images, at.astimezone(UTC).isoformat()))
    seen[key] += 1
    return "auto-" + hashlib.sha256(f"{key}#{seen[key]}".encode()).hexdigest()[:32]


def check_name(name: str, value: Any) -> None:
    """Check an id or a name.

    Raises:
        InvalidInputError: It is not a string, too long, or holds control characters.
    """
    if (
        not isinstance(value, str)
        or len(value) > MAX_NAME
        or any(ord(c) < 32 or 0xD800 <= ord(c) < 0xE000 for c in value)
    ):
        msg = f"{name}={value!r:.80} can't be used. Pass up to {MAX_NAME} characters, without control characters."
        raise InvalidInputError(msg)
