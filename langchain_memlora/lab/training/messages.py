"""Labelled messages: the training data of the question whether a sentence states something.

A message is cut into sentences; each lists the facts it states. One JSON object a line; the shipped ones are in
`data/messages/` (docs/training-data.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

from langchain_memlora.errors import InvalidInputError
from langchain_memlora.lab.training.held_out import HELD_OUT_FILES, hold_out
from langchain_memlora.lab.training.json_lines import read_lines, shipped

_STRICT = ConfigDict(extra="forbid")
_Text = Annotated[str, Field(min_length=1)]


@dataclass(frozen=True, slots=True, config=_STRICT)
class MessageBefore:
    """A message before the labelled one."""

    role: Literal["user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True, config=_STRICT)
class LabelledSentence:
    """A sentence or clause of a message.

    Attributes:
        facts: Sentences in the third person about the user and the user's world; empty if it states nothing lasting.
        forget: The information that it asks to forget.
        later: Number, counted from 0, of the later sentence that corrects this one.
    """

    text: _Text
    facts: tuple[str, ...]
    forget: str = ""
    later: int | None = None


@dataclass(frozen=True, slots=True, config=_STRICT)
class LabelledMessage:
    """A message that a user writes to an assistant, with its sentences in order.

    Attributes:
        id: Name of its file, `-`, and a number.
        context: The messages before it.
        kind: Kind of message, for reading only, as is `domain`.
    """

    id: _Text
    message: str
    sentences: Annotated[tuple[LabelledSentence, ...], Field(min_length=1)]
    context: tuple[MessageBefore, ...] = ()
    kind: str = ""
    domain: str = ""

    @model_validator(mode="after")
    def _sentences_fit(self) -> LabelledMessage:
        if _letters(self.message) != _letters("".join(sentence.text for sentence in self.sentences)):
            msg = f"the sentences of {self.id} are not its message"
            raise ValueError(msg)
        for number, sentence in enumerate(self.sentences):
            if sentence.later is not None and not number < sentence.later < len(self.sentences):
                msg = f"sentence {number} of {self.id} has later={sentence.later}, which is not a later sentence"
                raise ValueError(msg)
        return self

    @property
    def file(self) -> str:
        """Name of its file."""
        return self.id.rpartition("-")[0]

    @property
    def is_silent(self) -> bool:
        """True if no sentence states a fact."""
        return not any(sentence.facts for sentence in self.sentences)


def _letters(text: str) -> str:
    return "".join(text.split())


def load_messages(*paths: Path, grounded: bool = False) -> list[LabelledMessage]:
    """Load labelled messages from JSONL files; without arguments, the shipped ones.

    Args:
        grounded: Also refuse facts with words that are neither in their message nor in the messages before it.

    Raises:
        InvalidInputError: A line is not a labelled message, or a fact is not grounded; the message names file and line.

    Example:
        ```python
        from langchain_memlora.lab.training.messages import load_messages

        print(len(load_messages()), "messages")
        ```
    """
    advice = "See docs/training-data.md for the format."
    model = _GroundedMessage if grounded else LabelledMessage
    return list(read_lines(paths or shipped("messages"), model, "labelled message", advice))


@dataclass(frozen=True, slots=True, config=_STRICT)
class _GroundedMessage(LabelledMessage):
    """A labelled message whose facts are grounded."""

    @model_validator(mode="after")
    def _is_grounded(self) -> _GroundedMessage:
        from langchain_memlora.experts.grounding import ungrounded

        sources = (self.message, *(before.content for before in self.context))
        for sentence in self.sentences:
            for fact in sentence.facts:
                if missing := ungrounded(fact, *sources):
                    msg = f"the fact {fact!r} is not grounded in its message: {', '.join(missing)}"
                    raise ValueError(msg)
        return self


def split_messages(messages: Sequence[LabelledMessage]) -> tuple[list[LabelledMessage], list[LabelledMessage]]:
    """Split messages into training and validation messages: those of `HELD_OUT_FILES`, or every twelfth if there are none.

    Raises:
        InvalidInputError: One of the two would be empty.
    """
    held = [message for message in messages if message.file in HELD_OUT_FILES]
    training = [message for message in messages if message.file not in HELD_OUT_FILES]
    if not held:
        training, held = hold_out(messages)
    if not training or not held:
        msg = f"{len(messages)} labelled messages can't be split into training and validation. Pass more messages."
        raise InvalidInputError(msg)
    return training, held
