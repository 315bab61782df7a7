"""Single exchanges with the facts that the user states in them, and files of texts that a system stored of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from langchain_memlora.errors import InvalidInputError
from langchain_memlora.lab.evaluation.metrics.strict import Source
from langchain_memlora.types import FORGET_PREFIX, Form

_ROLES = frozenset({"user", "assistant"})


@dataclass(frozen=True, slots=True)
class Exchange:
    """A few new messages after a context, and what should be stored of them.

    Attributes:
        context: Messages before, as `{"role", "content"}`; they only resolve references.
        facts: Sentences about the user that `new` states; empty if it states none.
        forget: Things that the user asks to forget.
    """

    id: str
    context: tuple[dict[str, str], ...]
    new: tuple[dict[str, str], ...]
    facts: tuple[str, ...] = ()
    kind: str = ""
    forget: tuple[str, ...] = ()

    @property
    def source(self) -> Source:
        """The user's new messages, and all others as their context, nearest first."""
        said = [message["content"] for message in self.new if message["role"] == "user"]
        others = [message["content"] for message in self.new if message["role"] != "user"]
        return Source("\n".join(said), (*others, *(message["content"] for message in reversed(self.context))))


@dataclass(slots=True)
class Stored:
    """The texts that a system stored of one exchange.

    Attributes:
        texts: Each with its form, in order; `None` if the form is unknown.
        forgets: What it took as a request to forget, likewise.
        failed: A part could not be read.
    """

    texts: list[tuple[str, Form | None]] = field(default_factory=list)
    forgets: list[tuple[str, Form | None]] = field(default_factory=list)
    failed: bool = False


@dataclass(frozen=True, slots=True)
class HandLabel:
    """A reader's label of a stored text."""

    id: str
    text: str
    label: str


def load_exchanges(path: str | Path) -> list[Exchange]:
    """Load exchanges from a JSONL file.

    Raises:
        InvalidInputError: The file is missing or empty, a line is not an exchange, or two have the same id.
    """
    shape = 'Each line needs id, context and new (lists of {"role", "content"}), facts (a list of sentences) and kind.'
    loaded: list[Exchange] = []
    for number, row in _rows(path, shape):
        try:
            forget = row.get("forget") or ()
            exchange = Exchange(
                str(row["id"]),
                _messages(row.get("context", ())),
                _messages(row["new"]),
                _sentences(row["facts"]),
                str(row.get("kind", "")),
                (forget,) if isinstance(forget, str) else _sentences(forget),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            msg = f"{path}, line {number}, can't be read as an exchange ({error!r}). {shape}"
            raise InvalidInputError(msg) from error
        if not exchange.source.said.strip():
            msg = f"{path}, line {number}: no user message in `new`. {shape}"
            raise InvalidInputError(msg)
        loaded.append(exchange)
    if not loaded:
        msg = f"{path} has no exchanges. {shape}"
        raise InvalidInputError(msg)
    id_, times = Counter(exchange.id for exchange in loaded).most_common(1)[0]
    if times > 1:
        msg = f"{path} has several exchanges with the id {id_!r}. Give each its own."
        raise InvalidInputError(msg)
    return loaded


def load_stored(path: str | Path, exchanges: Sequence[Exchange]) -> dict[str, Stored]:
    """Load the texts that a system stored, a line a text: `{"id", "text"}` and optionally `form`.

    A text that begins with `forget: ` is a request to forget. Lines without text are skipped.

    Returns:
        What was stored of each exchange.

    Raises:
        InvalidInputError: The file is missing, a line is not a text, or its id is not of an exchange.
    """
    shape = f"Each line needs the id of an exchange and a text; form, if given, is one of {', '.join(get_args(Form))}."
    stored = {exchange.id: Stored() for exchange in exchanges}
    for number, row in _rows(path, shape):
        try:
            text, of, form = str(row["text"] or "").strip(), stored[str(row["id"])], row.get("form")
            if form is not None and form not in get_args(Form):
                raise ValueError(form)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            msg = f"{path}, line {number}, can't be used ({error!r}). {shape}"
            raise InvalidInputError(msg) from error
        if text.startswith(FORGET_PREFIX):
            of.forgets.append((text.removeprefix(FORGET_PREFIX), form))
        elif text:
            of.texts.append((text, form))
    return stored


def load_labels(path: str | Path) -> list[HandLabel]:
    """Load hand labels from a JSONL file.

    Raises:
        InvalidInputError: The file is missing, or a line is not a label.
    """
    shape = "Each line needs id, text and label."
    labels: list[HandLabel] = []
    for number, row in _rows(path, shape):
        try:
            labels.append(HandLabel(str(row["id"]), str(row["text"]).strip(), str(row["label"]).strip().lower()))
        except (KeyError, TypeError) as error:
            msg = f"{path}, line {number}, can't be read as a label ({error!r}). {shape}"
            raise InvalidInputError(msg) from error
    return labels


def _rows(path: str | Path, shape: str) -> Iterator[tuple[int, dict[str, Any]]]:
    number = 0
    try:
        for number, line in enumerate(Path(path).read_text(encoding="utf-8").split("\n"), 1):
            if line.strip():
                yield number, json.loads(line)
    except (OSError, ValueError) as error:
        msg = f"{path}, line {number}, can't be read ({error!r}). {shape}"
        raise InvalidInputError(msg) from error


def _messages(given: Sequence[dict[str, str]]) -> tuple[dict[str, str], ...]:
    messages = tuple({"role": message["role"], "content": message["content"]} for message in given)
    if any(message["role"] not in _ROLES or not isinstance(message["content"], str) for message in messages):
        msg = f"roles are {sorted(_ROLES)}, contents strings"
        raise ValueError(msg)
    return messages


def _sentences(given: Sequence[str]) -> tuple[str, ...]:
    if isinstance(given, str) or any(not isinstance(one, str) for one in given):
        msg = f"{given!r:.60} is not a list of sentences"
        raise ValueError(msg)
    return tuple(given)
