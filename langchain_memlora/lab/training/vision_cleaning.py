"""Cleaning of a teacher's replies about pictures."""

from __future__ import annotations

from langchain_memlora.lab.training.replies import (
    MOST_WORDS,
    Cleaned,
    Cleaning,
    UnreadableError,
    object_with,
    texts_under,
    without_thoughts,
)


def clean_picture_question(text: str) -> Cleaned:
    """Return a question about a picture, its answer of one word and the reason, as a tuple of three strings."""
    try:
        row = object_with(without_thoughts(text, Cleaning()), "question")
        question, answer, reason = texts_under(row or {}, "question", "answer", "reason")
    except UnreadableError as error:
        return Cleaned(dropped=str(error))
    if len(answer.split()) > 1:
        return Cleaned(dropped=f"{answer!r} is more than one word")
    if len(reason.split()) > MOST_WORDS:
        return Cleaned(dropped=f"{len(reason.split())} words are too many for a reason (at most {MOST_WORDS})")
    return Cleaned(answer, (question, answer, reason))


def clean_caption(text: str) -> Cleaned:
    """Return a short description of a picture, as text."""
    try:
        (caption,) = texts_under(object_with(without_thoughts(text, Cleaning()), "caption") or {}, "caption")
    except UnreadableError as error:
        return Cleaned(dropped=str(error))
    if len(caption.split()) > MOST_WORDS:
        return Cleaned(dropped=f"{len(caption.split())} words are too many for a caption (at most {MOST_WORDS})")
    return Cleaned(caption, caption)
