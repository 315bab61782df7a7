"""Cutting of turns into extraction windows, the same way for training and for `add`.

A window shows a few earlier turns for context and up to a handful of new ones. Only new turns written by a source
(by default: users, not assistants) are numbered, and only a numbered turn can state a fact. So an expert can't attribute
an assistant's suggestion to the user.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from langchain_memlora.passages import passages
from langchain_memlora.text import strip_invisible
from langchain_memlora.tokens import clip, tokens_at_most
from langchain_memlora.types import Turn

PIECE = 1200
"""Characters of a piece of a long message."""
PIECE_TOKENS = 640
"""Tokens of it; in English it has fewer."""
CONTEXT_CLIP = 240
CONTEXT_TOKENS = 150
SPEAKER_TOKENS = 40


@dataclass(frozen=True, slots=True)
class Line:
    """One message, or a piece of a long one, as it is shown to an expert.

    Attributes:
        number: 1, 2, ... for lines that can state a fact; `None` for context.
    """

    turn: Turn
    text: str
    number: int | None


@dataclass(frozen=True, slots=True)
class Window:
    """The lines of one extraction call."""

    lines: tuple[Line, ...]

    @property
    def sources(self) -> dict[int, Turn]:
        """The turns that can state facts, by number."""
        return {line.number: line.turn for line in self.lines if line.number is not None}

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The numbered turns, each once, in order."""
        return tuple({turn.id: turn for turn in self.sources.values()}.values())


def shown_speaker(turn: Turn) -> str:
    """Return the name that a prompt shows before a turn's text, shortened if it is long."""
    return clip(speaker_of(turn), SPEAKER_TOKENS)


def speaker_of(turn: Turn) -> str:
    """Return the name shown before a turn's text: its speaker, else its role."""
    return turn.speaker or turn.role


def cut_windows(
    turns: Sequence[Turn],
    before: Sequence[Turn] = (),
    *,
    new_turns: int = 4,
    context_turns: int = 2,
    sources: Collection[str] = ("user",),
    unread: Collection[str] = (),
    whole_messages: bool = False,
) -> list[Window]:
    """Cut new turns of one thread into windows.

    Args:
        turns: The new turns, in order.
        before: Turns of the same thread that came before them.
        new_turns: Up to this many new turns in a window.
        context_turns: Up to this many turns shown before them, unnumbered.
        sources: Roles whose turns can state facts.
        unread: Ids of turns that are shown, but can't state facts.
        whole_messages: Show source turns as they are, rather than in pieces of one line each.

    Returns:
        Windows that hold at least one numbered line. Turns after the last source of a window are not shown:
        an answer can't change what was said before.

    Example:
        ```python
        from datetime import datetime, timezone
        from langchain_memlora.experts.windows import cut_windows
        from langchain_memlora.types import Scope, Turn

        now = datetime.now(timezone.utc)
        turns = [Turn("t1", Scope("ana"), "user", "I moved to Berlin.", now)]
        assert cut_windows(turns)[0].sources[1].text == "I moved to Berlin."
        ```
    """
    everything = [*before, *turns]
    windows = []

    def is_source(turn: Turn) -> bool:
        return turn.role in sources and turn.id not in unread and bool(turn.text.strip())

    for start in range(len(before), len(everything), new_turns):
        new = everything[start : start + new_turns]
        while new and not is_source(new[-1]):
            new = new[:-1]
        context = everything[max(0, start - context_turns) : start]
        if whole_messages:
            windows.append(_window(context, [(turn, turn.text) for turn in new], is_source))
            continue
        pieces = [piece for turn in new for piece in _pieces(turn, is_source(turn))]
        for group in _groups(pieces):
            windows.append(_window(context, group, is_source))
            context = []
    return [window for window in windows if window.sources]


def one_line(text: str) -> str:
    """Collapse all white space, line breaks included, so that a message is one line; drop invisible characters."""
    return " ".join(strip_invisible(text).split())


def shown_part(text: str, pieces: Sequence[str]) -> tuple[int, int]:
    """Return the offsets in a message of what pieces of it, which follow each other, hold; of all of it, if in doubt."""
    line, words = words_of(text)
    start, end = line.find(pieces[0]), 0
    for piece in pieces:
        at = line.find(piece, max(start, end))
        if at < 0:
            return 0, len(text)
        end = at + len(piece)
    if end - start >= len(line):
        return 0, len(text)
    begins, ends = line.count(" ", 0, start), line.count(" ", 0, end - 1)
    return words[begins][0], words[ends][1]


@lru_cache(4)
def words_of(text: str) -> tuple[str, list[tuple[int, int]]]:
    """Return a message on one line, and the offsets of that line's words in the message."""
    words = [found.span() for found in re.finditer(r"\S+", text) if strip_invisible(found[0]).strip()]
    return one_line(text), words


def _window(context: Sequence[Turn], pieces: Sequence[tuple[Turn, str]], is_source: Callable[[Turn], bool]) -> Window:
    lines = [Line(turn, _clip(one_line(turn.text)), None) for turn in context if turn.text.strip()]
    number = 0
    for turn, text in pieces:
        source = is_source(turn)
        number += source
        lines.append(Line(turn, text if source else _clip(one_line(text)), number if source else None))
    return Window(tuple(lines))


def _groups(pieces: Sequence[tuple[Turn, str]]) -> Iterator[list[tuple[Turn, str]]]:
    """Group pieces until they would fill a prompt."""
    group: list[tuple[Turn, str]] = []
    characters = size = 0
    for piece in pieces:
        tokens = tokens_at_most(piece[1])
        if group and (characters + len(piece[1]) > 2 * PIECE or size + tokens > 2 * PIECE_TOKENS):
            yield group
            group, characters, size = [], 0, 0
        group.append(piece)
        characters, size = characters + len(piece[1]), size + tokens
    if group:
        yield group


def _pieces(turn: Turn, source: bool) -> list[tuple[Turn, str]]:
    """Split a long source turn into pieces, at ends of sentences if possible."""
    text = one_line(turn.text)
    if not text:
        return []
    if not source:
        return [(turn, text)]
    pieces = re.findall(rf".{{1,{PIECE}}}(?:[.!?]\s|$)|.{{1,{PIECE}}}", text) if len(text) > PIECE else [text]
    return [(turn, part.strip()) for piece in pieces for part in passages(piece, PIECE_TOKENS)]


def _clip(text: str) -> str:
    """Shorten context from the left: an answer usually refers to the end."""
    text = text if len(text) <= CONTEXT_CLIP else "... " + text[-CONTEXT_CLIP:]
    return clip(text, CONTEXT_TOKENS, keep_end=True)
