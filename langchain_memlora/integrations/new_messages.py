"""Selects the messages of an agent's thread that are new to the memory.

A thread with a checkpointer keeps growing, and one without arrives whole each time. A mark (the id of the last message
written) separates old from new; a failed write leaves the mark in place, so that the next run writes its messages too. Digests
of the messages written tell which of them were edited since.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence

from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, ToolMessage

from langchain_memlora.intake.content import read_content
from langchain_memlora.intake.messages import MAX_CHARACTERS

START = ""


def mark_of(messages: Sequence[AnyMessage]) -> str:
    """Return the mark for a thread whose messages were all written."""
    return (messages[-1].id or START) if messages else START


def input_of(messages: Sequence[AnyMessage]) -> list[AnyMessage]:
    """Return the user messages that a run starts with: those at the end of the thread."""
    start = len(messages)
    while start and isinstance(messages[start - 1], HumanMessage) and not is_inserted(messages[start - 1]):
        start -= 1
    return list(messages[start:])


def is_inserted(message: BaseMessage) -> bool:
    """Return True for a message that a framework inserted; LangChain marks its summaries."""
    return bool(message.additional_kwargs.get("lc_source"))


def since(messages: Sequence[AnyMessage], mark: str) -> list[AnyMessage]:
    """Return the messages after a mark.

    If the marked message is gone (a summary replaced it), the remaining ones came after it, or were written before under
    the same ids, so that the memory skips them.
    """
    ids = [message.id for message in messages]
    return list(messages[ids.index(mark) + 1 :] if mark in ids else messages)


def digests_of(messages: Sequence[BaseMessage]) -> dict[str, str]:
    """Return a short digest of each message's content, by id."""
    return {
        message.id: hashlib.sha256(repr(message.content).encode("utf-8", "replace")).hexdigest()[:12]
        for message in messages
        if message.id
    }


def edited(messages: Sequence[AnyMessage], written: Mapping[str, str]) -> list[AnyMessage]:
    """Return the messages whose content is no longer the one that was written."""
    now = digests_of(messages)
    changed = {key for key, digest in now.items() if written.get(key, digest) != digest}
    return [message for message in messages if message.id in changed]


def worth_keeping(
    messages: Sequence[AnyMessage], *, tool_messages: bool, recalling: Collection[str]
) -> list[BaseMessage]:
    """Select the messages to write: those of user and assistant, and those of tools only on request.

    Args:
        tool_messages: Keep the assistant's text around tool calls, and the results with the tool as speaker. Searches
            find them as messages; facts are still extracted from user messages only.
        recalling: Tools whose results are recalled text, which never becomes a memory again.
    """
    kept: list[BaseMessage] = []
    for message in messages:
        if is_inserted(message):
            continue
        if isinstance(message, ToolMessage):
            text = read_content(message).text
            if tool_messages and message.name not in recalling and text.strip():
                kept.append(AIMessage(text[:MAX_CHARACTERS], id=message.id, name=message.name))
        elif isinstance(message, HumanMessage) or (
            isinstance(message, AIMessage) and (tool_messages or not message.tool_calls)
        ):
            kept.append(_clipped(message))
    return kept


def _clipped(message: BaseMessage) -> BaseMessage:
    """Shorten a message to the memory's limit: of a pasted book, the beginning is kept rather than nothing."""
    content = read_content(message)
    if len(content.text) <= MAX_CHARACTERS:
        return message
    return message.model_copy(
        update={"content": [{"type": "text", "text": content.text[:MAX_CHARACTERS]}, *content.images]}
    )
