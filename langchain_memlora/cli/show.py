"""How things look: shared by all commands."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from langchain_memlora.types import AddResult, Answer, Event, Hit, Memory, Operation, Usage

BADGES = {
    Event.ADD: "bold black on green",
    Event.UPDATE: "bold black on yellow",
    Event.DELETE: "bold white on red",
    Event.NONE: "white on bright_black",
}
DONT_KNOW = "I don't know that yet."
SHORT_ID = 8
READ_SHOWN = 2
CLIP = 60
JOINER = "\u200d"  # holds emoji together


def console(*, stderr: bool = False) -> Console:
    """A console on the current streams. It prints text as it is, since most of it was written by people."""
    return Console(stderr=stderr, markup=False, emoji=False, highlight=False)


def print_error(error: Exception) -> None:
    """One red line, however narrow the terminal."""
    console(stderr=True).print(Text(f"error: {clean(str(error))}", "red"), soft_wrap=True)


def print_json(value: Any) -> None:
    """Machine-readable output: dataclasses as objects, datetimes in ISO format, plain ASCII."""
    typer.echo(json.dumps(value, indent=2, default=_plain))


@contextmanager
def busy(out: Console, what: str) -> Iterator[None]:
    """A spinner while a model thinks; nothing where nobody watches."""
    if not out.is_terminal:
        yield
        return
    with out.status(Text(what, "dim")):
        yield


def clean(text: str) -> str:
    """One line without control characters: a remembered message must not steer the terminal."""
    return "".join(c if c.isprintable() or c == JOINER else " " for c in " ".join(text.split()))


def short(memory_id: str | None) -> str:
    """The part of an id that people are shown and may type."""
    return (memory_id or "")[:SHORT_ID]


def day(moment: date) -> str:
    """`4 May 2024`."""
    from langchain_memlora.retrieval.dates import format_day

    return format_day(moment)


def badge(event: Event) -> Text:
    """The event's name in its colour, all of one width."""
    return Text(f" {event.value:^6} ", BADGES[event])


def what_changed(operation: Operation) -> Text:
    """The memory before and after, in a line."""
    before, after = clean(operation.before or ""), clean(operation.after or "")
    match operation.event:
        case Event.ADD:
            return Text(after)
        case Event.UPDATE:
            return Text.assemble((before, "dim"), " → ", after)
        case Event.DELETE:
            return Text(before, "strike")
    return Text(clean(operation.fact) or before, "dim")


def operation_line(operation: Operation) -> Text:
    """Badge, change and probability."""
    line = Text.assemble(badge(operation.event), " ", what_changed(operation))
    if operation.probability is not None:
        line.append(f"  p {operation.probability:.2f}", "dim cyan")
    return line


def add_lines(result: AddResult) -> list[Text]:
    """What an `add` did, failures included; never nothing."""
    lines = [operation_line(operation) for operation in result.operations]
    lines += [Text(f"{error.kind}: {clean(error.message)}", "red") for error in result.errors]
    if result.errors:
        lines.append(Text("The messages are stored; `memlora doctor --retry` tries again.", "dim"))
    if lines:
        return lines
    return [Text("(nothing to remember)" if result.turn_ids else "(nothing new)", "dim")]


def said_at(hit: Hit) -> datetime:
    """When a hit was said."""
    return hit.memory.observed_at if hit.memory else hit.turns[0].observed_at


def answer_text(answer: Answer) -> str:
    """The expert's words, or ours where it has none."""
    return clean(answer.text) if answer.known else DONT_KNOW


def read_line(answer: Answer) -> Text:
    """The best of what the answer was read from, with dates; memories before messages, which say the same."""
    hits = sorted(answer.hits, key=lambda hit: hit.memory is None)
    best = [f"{day(said_at(hit))}: {_clip(clean(hit.text))}" for hit in hits[:READ_SHOWN]]
    more = len(answer.hits) - len(best)
    words = " · ".join(best) + (f" · {more} more" if more else "")
    return Text(f"read {words}" if best else "nothing to read", "dim")


def memories_table(memories: Iterable[Memory]) -> Table:
    """Memories with their short ids."""
    table = _table("id", "said", "memory")
    for memory in memories:
        table.add_row(short(memory.id), f"{memory.observed_at:%Y-%m-%d}", clean(memory.text))
    return table


def history_table(operations: Iterable[Operation]) -> Table:
    """Operations, oldest first."""
    table = _table("when", "id", "what", "memory", "p", "by")
    for operation in operations:
        when = f"{operation.at:%Y-%m-%d %H:%M}" if operation.at else ""
        chance = "" if operation.probability is None else f"{operation.probability:.2f}"
        change = what_changed(operation)
        table.add_row(when, short(operation.memory_id), badge(operation.event), change, chance, operation.by)
    return table


def usage_table(usages: Iterable[Usage]) -> Table:
    """Cost of each node, and of all together."""
    table = Table("node", box=None, header_style="dim", pad_edge=False)
    for title in ("calls", "prompt tokens", "completion tokens", "seconds"):
        table.add_column(title, justify="right")
    usages = list(usages)
    for u in usages:
        table.add_row(u.stage, str(u.calls), str(u.prompt_tokens), str(u.completion_tokens), f"{u.seconds:.2f}")
    sums = [sum(getattr(u, key) for u in usages) for key in ("calls", "prompt_tokens", "completion_tokens")]
    table.add_row("all", *map(str, sums), f"{sum(u.seconds for u in usages):.2f}", style="bold")
    return table


def _clip(text: str) -> str:
    return text if len(text) <= CLIP else text[: CLIP - 1] + "…"


def _table(*titles: str) -> Table:
    table = Table(*titles, box=None, header_style="dim", pad_edge=False)
    for column in table.columns:
        column.no_wrap = column.header != "memory"
        column.overflow = "fold"
    return table


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    msg = f"{type(value).__name__} has no JSON form"
    raise TypeError(msg)
