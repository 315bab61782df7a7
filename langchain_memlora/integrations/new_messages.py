"""Which messages of an agent's thread are new to the memory.

A thread with a checkpointer grows for ever, and one without arrives whole each time. A mark (the id of the last message that
was handed over) tells old from new; a run that broke off leaves the mark where it was, so the next one makes up for it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, ToolMessage

from langchain_memlora.intake.messages import MAX_CHARACTERS

START = ""


def mark_of(messages: Sequence[AnyMessage]) -> str:
    """The mark that says that these messages were handed over."""
    return (messages[-1].id or START) if messages else START


def mark_before_input(messages: Sequence[AnyMessage]) -> str:
    """The mark for a thread that was never handed over: what stood before the messages of this run is not ours."""
    return mark_of(messages[: len(messages) - len(input_of(messages))])


def input_of(messages: Sequence[AnyMessage]) -> list[AnyMessage]:
    """The user messages that a run starts with: those at the end of the thread."""
    start = len(messages)
    while start and isinstance(messages[start - 1], HumanMessage) and not is_inserted(messages[start - 1]):
        start -= 1
    return list(messages[start:])


def is_inserted(message: BaseMessage) -> bool:
    """Whether a framework put the message into the thread; LangChain marks its summaries so."""
    return bool(message.additional_kwargs.get("lc_source"))


def since(messages: Sequence[AnyMessage], mark: str) -> list[AnyMessage]:
    """The messages after a mark.

    If the marked message is gone (a summary took its place), all that are left came after it or were handed over before
    under the same ids, which makes them no news to the memory.
    """
    ids = [message.id for message in messages]
    return list(messages[ids.index(mark) + 1 :] if mark in ids else messages)


def worth_keeping(
    messages: Sequence[AnyMessage], *, tool_messages: bool, recalling: Collection[str]
) -> list[BaseMessage]:
    """What is handed over: what was said, not what a framework inserted, and the noise of tools only on request.

    Args:
        tool_messages: Keep the assistant's words around tool calls, and the results as said by the tool. They can be
            found as messages; facts are still read from the user's words only.
        recalling: Tools whose results are recalled text, which never becomes a memory again.
    """
    kept: list[BaseMessage] = []
    for message in messages:
        if is_inserted(message):
            continue
        if isinstance(message, ToolMessage):
            if tool_messages and message.name not in recalling and message.text.strip():
                kept.append(AIMessage(message.text[:MAX_CHARACTERS], id=message.id, name=message.name))
        elif isinstance(message, HumanMessage) or (
            isinstance(message, AIMessage) and (tool_messages or not message.tool_calls)
        ):
            kept.append(_clipped(message))
    return kept


def _clipped(message: BaseMessage) -> BaseMessage:
    """A message that fits the memory's limit: of a pasted book the beginning is kept, rather than nothing."""
    if len(message.text) <= MAX_CHARACTERS:
        return message
    return message.model_copy(update={"content": message.text[:MAX_CHARACTERS]})
