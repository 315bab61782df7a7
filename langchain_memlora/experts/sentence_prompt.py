"""The closed question about one sentence: its slots and its answers, for training and inference alike.

The message comes first and the sentence last, so that the prompts of all sentences of a message share their beginning.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from langchain_memlora.tokens import clip

LABELS: Final = ("none", "forget", "alone", "before", "earlier", "context", "later")
"""Answers, in the order of their probabilities.

| answer | the sentence |
|---|---|
| none | states nothing lasting |
| forget | asks to forget something |
| alone | states something, and can be understood alone |
| before | states something, but needs the sentence before it |
| earlier | states something, but needs an earlier sentence of the message |
| context | states something, but needs the message before |
| later | states something that a later sentence corrects |
"""
NONE, FORGET, ALONE, BEFORE, EARLIER, CONTEXT, LATER = LABELS
CONTEXT_MESSAGES: Final = 2
CONTEXT_CHARACTERS: Final = 240
CONTEXT_TOKENS: Final = 150


def sentence_prompt(before: Sequence[tuple[str, str]], speaker: str, text: str, sentence: str) -> dict[str, str]:
    r"""Return the slots `dialogue` and `sentence`.

    Args:
        before: Speaker and text of the messages before, of which the last two are shown, each on one line.
        speaker: Speaker of the message.
        text: The message, shown as it is.
        sentence: The sentence of the message that is asked about.

    Example:
        ```python
        from langchain_memlora.experts.sentence_prompt import sentence_prompt

        slots = sentence_prompt([("assistant", "How long?")], "user", "Six nights. And you?", "Six nights.")
        assert slots["dialogue"] == "assistant: How long?\nuser: Six nights. And you?"
        ```
    """
    shown = [f"{who}: {clip_context(said)}" for who, said in before[-CONTEXT_MESSAGES:]]
    return {"dialogue": "\n".join([*shown, f"{speaker}: {text}"]), "sentence": sentence}


def clip_context(text: str) -> str:
    """Put a text on one line and keep its end: short answers refer to the question there."""
    line = " ".join(text.split())
    line = line if len(line) <= CONTEXT_CHARACTERS else f"... {line[-CONTEXT_CHARACTERS:].lstrip()}"
    return clip(line, CONTEXT_TOKENS, keep_end=True)
