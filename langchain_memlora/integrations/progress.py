"""The progress of writing an agent's thread: the messages that were written, and those that may be.

Other middleware redacts or refuses messages in hooks around the model call. So a message is final once a model call of its
own run received it, and a reply once the run ended. What a run leaves that ends before is `refused`: it is never written.

The state of an agent is checkpointed and streamed, so a progress holds ids only.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import takewhile
from typing import TypedDict

from langchain_core.messages import AnyMessage, HumanMessage, ToolMessage

from langchain_memlora.integrations.new_messages import input_of, mark_of, since


class Progress(TypedDict):
    """The state of one thread.

    Keys:
        written: Id of the last message that was written, or need not be.
        seen: Id of the last message that a hook of the memory has seen.
        open: Ids of the messages that the run began with, until a model call has received them.
        refused: Ids of the thread's messages that are never written.
        ended: The last run reached its end.
    """

    written: str
    seen: str
    open: list[str]
    refused: list[str]
    ended: bool


def at_start(last: Progress | None, messages: Sequence[AnyMessage], received: Collection[str]) -> Progress:
    """Return the progress at the start of a run. Messages before a thread's first run are not written.

    Args:
        last: The progress of the thread's last run.
        received: Ids that its model calls are known to have received.
    """
    fresh = messages if last is None else since(messages, last["seen"])
    given = input_of(fresh)
    before = fresh[: len(fresh) - len(given)]
    seen, opened = mark_of(messages), _ids(given)
    if last is None:
        return Progress(written=mark_of(before), seen=seen, open=opened, refused=[], ended=False)
    doubtful = [*last["open"], *([] if last["ended"] else _ids(before))]
    refused = [*last["refused"], *(key for key in doubtful if key not in received)]
    return Progress(written=last["written"], seen=seen, open=opened, refused=_present(refused, messages), ended=False)


def at_model_call(progress: Progress, messages: Sequence[AnyMessage]) -> tuple[list[AnyMessage], Progress]:
    """Return the messages that a model call receives and that may be written, and the progress after it."""
    new = [message for message in since(messages, progress["written"]) if message.id not in progress["refused"]]
    return new, Progress({**progress, "seen": mark_of(messages), "open": []})


def at_end(
    progress: Progress, messages: Sequence[AnyMessage], received: Collection[str] | None
) -> tuple[list[AnyMessage], Progress]:
    """Return the messages to write at the end of a run, and the progress once they are.

    The result of a tool that ended the run waits for the next model call.

    Args:
        received: Ids that the run's model calls received; `None` if that is not known.
    """
    sure = received or ()
    unseen = [m.id for m in since(messages, progress["seen"]) if isinstance(m, HumanMessage)]
    held = {*progress["refused"], *(key for key in (*progress["open"], *unseen) if key and key not in sure)}
    new = [message for message in since(messages, progress["written"]) if message.id not in held]
    waiting = {m.id for m in new if isinstance(m, ToolMessage) and received is not None and m.id not in received}
    handled = list(takewhile(lambda message: message.id not in waiting, messages))
    done = Progress(
        written=mark_of(handled), seen=mark_of(messages), open=[], refused=_present([*held], messages), ended=True
    )
    return [message for message in new if message.id not in waiting], done


def _ids(messages: Sequence[AnyMessage]) -> list[str]:
    return [message.id for message in messages if message.id]


def _present(ids: Sequence[str], messages: Sequence[AnyMessage]) -> list[str]:
    """Return those of these ids that the thread still holds."""
    there = {message.id for message in messages}
    return [key for key in dict.fromkeys(ids) if key in there]
