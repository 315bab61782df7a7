"""The question about one sentence of a message, the same for training and at run time."""

from __future__ import annotations

from collections.abc import Sequence

CONTEXT_CLIP = 240


def sentence_prompt(before: Sequence[tuple[str, str]], speaker: str, text: str, sentence: str) -> dict[str, str]:
    """Return the slots of a prompt that asks about one sentence.

    Args:
        before: Speaker and text of the messages before; the last two are shown.
        text: The message, or the part of a long one, that holds the sentence.
    """
    lines = [f"{name}: {_clip(' '.join(words.split()))}" for name, words in before[-2:]]
    return {"dialogue": "\n".join([*lines, f"{speaker}: {text}"]), "sentence": sentence}


def _clip(text: str) -> str:
    """Shorten context from the left: an answer usually refers to the end."""
    return text if len(text) <= CONTEXT_CLIP else "... " + text[-CONTEXT_CLIP:]
