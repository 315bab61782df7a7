"""Converts input from callers: strings, dicts and LangChain messages into turns, and ids into scopes, all checked."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from langchain_core.messages import BaseMessage, convert_to_messages

from langchain_memlora.errors import InvalidImageError, InvalidInputError, MissingUserError
from langchain_memlora.intake import Clock, ImageStore, as_picture, read_picture
from langchain_memlora.intake.content import Content, read_content, role_of
from langchain_memlora.metadata import as_stored
from langchain_memlora.types import Failure, Scope, Skipped, SkipReason, Turn

Redact = Callable[[str], str]
MAX_CHARACTERS = 50_000
MAX_NAME = 512
MAX_IMAGES = 64
KEPT_ROLES = ("user", "assistant")
_CONTROL = {"Cc", "Cs", "Zl", "Zp"}
QUESTION_WORDS = {"who", "whom", "whose", "what", "when", "where", "which", "why", "how"}


class Given(NamedTuple):
    """The result of converting messages.

    Attributes:
        turns: Turns without ids, which the ledger assigns. Those without text and image only edit known ones.
        skipped: The messages that hold nothing to keep.
        failures: Images and other content blocks that could not be read; the text beside them is in the turns.
        omitted: Types of content blocks that are nothing said: an assistant's reasoning, tool calls and their results.
    """

    turns: list[Turn]
    skipped: list[Skipped]
    failures: list[Failure]
    omitted: tuple[str, ...] = ()


def to_scope(user_id: str | None, agent_id: str | None = None, run_id: str | None = None) -> Scope:
    """Check ids and make a scope.

    Raises:
        MissingUserError: `user_id` is missing, blank, a wildcard or not a string.
        InvalidInputError: An id is not a string, blank, too long, or holds control characters.
    """
    if user_id is None or (isinstance(user_id, str) and user_id.strip() in {"", "*"}):
        msg = f"user_id must be a non-empty string other than '*', got {user_id!r}. Pass the id of one user."
        raise MissingUserError(msg)
    if not isinstance(user_id, str):
        msg = f"{_not_a_string('user_id', user_id)} Pass the id of one user as a string{_as_text(user_id)}."
        raise MissingUserError(msg)
    check_name("user_id", user_id)
    for name, value in (("agent_id", agent_id), ("run_id", run_id)):
        if value is not None:
            check_name(name, value)
            if not value.strip():
                msg = f"{name}={value!r:.80} is blank. Pass an id, or None for the user's own memories."
                raise InvalidInputError(msg)
    return Scope(user_id, agent_id, run_id)


def to_turns(
    messages: Any,
    scope: Scope,
    *,
    observed_at: datetime | None = None,
    clock: Clock | None = None,
    thread_id: str = "",
    metadata: Mapping[str, Any] | None = None,
    images: ImageStore | None = None,
    redact: Redact | None = None,
) -> Given:
    """Convert messages to turns without ids.

    Skipped: system and tool messages, messages that a framework inserted (LangChain marks its summaries with
    `lc_source`), and messages without text or image, once an assistant's thinking is left out and `redact` was applied. Of
    the latter, those with an id become turns: a known message may have been edited to nothing.

    Args:
        messages: A string (said by the user), a message, or a sequence of messages: LangChain messages, `(role, text)`
            pairs or `{"role", "content"}` dicts, where `name` is the speaker and `id` makes a repeated `add` a no-op.
        observed_at: The aware time at which they were said; the clock's time if not given.
        clock: Gives that time; by default this machine's.
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
    at, origin = _moment(observed_at, clock or Clock())
    facts = _plain(metadata)
    check_thread(thread_id)
    kept: list[tuple[BaseMessage, Content]] = []
    skipped: list[Skipped] = []
    for message in _converted(given):
        content = read_content(message)
        if content.text.strip():
            check_text(content.text, f"a message of role {message.type}")
        content.text = redacted(content.text, redact)
        if reason := _unwanted(message):
            skipped.append(Skipped(message.id or "", reason))
            continue
        if message.name:
            check_name("name", message.name)
        kept.append((message, content))
    turns: list[Turn] = []
    failures: list[Failure] = []
    seen: Counter[str] = Counter()
    room = MAX_IMAGES
    for message, content in kept:  # all messages are valid by now, so no image is stored in vain
        text, blocks = content.text, content.images
        failures += [_failure(problem, InvalidInputError.__name__) for problem in content.unreadable]
        taken = _pictures(blocks[:room], images, failures)
        if len(blocks) > room:
            failures.append(
                _failure(
                    f"{len(blocks) - room} images exceed the limit of {MAX_IMAGES} per call. Add them in another call."
                )
            )
        room = max(0, room - len(blocks))
        if text.strip() or taken or message.id:
            role, speaker = role_of(message), message.name or None
            own_id = message.id or _derived_id(role, speaker, text, taken, at, seen)
            turns.append(
                Turn("", scope, role, text, at, origin, speaker, thread_id, own_id, taken, metadata=dict(facts))
            )
        else:
            skipped.append(Skipped("", "empty"))
    omitted = dict.fromkeys(kind for _, content in kept for kind in content.omitted)
    return Given(turns, skipped, failures, tuple(omitted))


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
        InvalidInputError: The function returned something other than a string, or a string that can't be stored.
    """
    if redact is None or not text:
        return text
    kept = redact(text)
    if not isinstance(kept, str):
        msg = f"redact={redact!r} returned {type(kept).__name__}. Return the text that may be stored, as a string."
        raise InvalidInputError(msg)
    return check_text(kept, "redacted text") if kept.strip() else ""


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


def _moment(observed_at: datetime | None, clock: Clock) -> tuple[datetime, Any]:
    if observed_at is None:
        return clock.now(), "clock"
    if not isinstance(observed_at, datetime) or observed_at.utcoffset() is None:
        msg = f"observed_at={observed_at!r} has no time zone. Pass an aware datetime, e.g. datetime(..., tzinfo=timezone.utc)."
        raise InvalidInputError(msg)
    return clock.read(observed_at), "given"


def _plain(metadata: Mapping[str, Any] | None) -> dict[str, Any]:
    """Convert metadata to JSON values, as they will be read back from disk."""
    try:
        return json.loads(json.dumps(as_stored(dict(metadata or {}))))
    except (TypeError, ValueError, RecursionError) as error:
        msg = f"metadata={metadata!r:.80} can't be stored ({error}). Pass a dict with string keys."
        raise InvalidInputError(msg) from error


def _unwanted(message: BaseMessage) -> SkipReason | None:
    if message.additional_kwargs.get("lc_source"):
        return "inserted"
    return None if role_of(message) in KEPT_ROLES else "role"


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
    if not isinstance(value, str):
        msg = f"{_not_a_string(name, value)} Pass a string{_as_text(value)}."
        raise InvalidInputError(msg)
    if len(value) > MAX_NAME:
        msg = f"{name} has {len(value)} characters; the limit is {MAX_NAME}. Pass a shorter one."
        raise InvalidInputError(msg)
    if found := next((c for c in value if unicodedata.category(c) in _CONTROL), ""):
        msg = f"{name}={value!r:.80} holds the control character {found!r}. Pass it without control characters."
        raise InvalidInputError(msg)


def check_thread(thread_id: Any) -> None:
    """Check the id of a conversation; an empty one stands for none.

    Raises:
        InvalidInputError: It is not a string, blank, too long, or holds control characters.
    """
    check_name("thread_id", thread_id)
    if thread_id and not thread_id.strip():
        msg = f"thread_id={thread_id!r:.80} is blank. Pass the id of a conversation, or leave it out."
        raise InvalidInputError(msg)


def _not_a_string(name: str, value: Any) -> str:
    return f"{name}={value!r:.80} is of type {type(value).__name__}; an id or name is a string of up to {MAX_NAME} characters."


def _as_text(value: Any) -> str:
    """Return how to write an id that is a number or a UUID."""
    is_id = isinstance(value, int | UUID) and not isinstance(value, bool)
    return f": {str(value)!r:.80}" if is_id else ""
