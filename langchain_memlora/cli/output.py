"""Terminal and JSON output, shared by all commands."""

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
    """Return a console on the current streams that prints text literally, since most of it was written by people."""
    return Console(stderr=stderr, markup=False, emoji=False, highlight=False)


def print_error(error: Exception) -> None:
    """Print an error as one red line, whatever the terminal's width."""
    console(stderr=True).print(Text(f"error: {clean(str(error))}", "red"), soft_wrap=True)


def print_json(value: Any) -> None:
    """Print JSON: dataclasses as objects, datetimes in ISO format, ASCII only."""
    typer.echo(json.dumps(value, indent=2, default=_plain))


@contextmanager
def spinner(out: Console, what: str) -> Iterator[None]:
    """Show a spinner while a model computes, on a terminal only."""
    if not out.is_terminal:
        yield
        return
    with out.status(Text(what, "dim")):
        yield


def clean(text: str) -> str:
    """Return a text as one line without control characters: a stored message must not control the terminal."""
    return "".join(c if c.isprintable() or c == JOINER else " " for c in " ".join(text.split()))


def short(memory_id: str | None) -> str:
    """Return the part of an id that is shown and can be typed."""
    return (memory_id or "")[:SHORT_ID]


def day(moment: date) -> str:
    """Format a day, such as `4 May 2024`."""
    from langchain_memlora.retrieval.dates import format_day

    return format_day(moment)


def badge(event: Event) -> Text:
    """Return an event's name on its colour, padded to a fixed width."""
    return Text(f" {event.value:^6} ", BADGES[event])


def change_text(operation: Operation) -> Text:
    """Return a memory before and after an operation, in one line."""
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
    """Return the badge, change and probability of an operation."""
    line = Text.assemble(badge(operation.event), " ", change_text(operation))
    if operation.probability is not None:
        line.append(f"  p {operation.probability:.2f}", "dim cyan")
    return line


def result_lines(result: AddResult) -> list[Text]:
    """Return the results of an `add`, failures included; at least one line."""
    lines = [operation_line(operation) for operation in result.operations]
    lines += [Text(f"{error.kind}: {clean(error.message)}", "red") for error in result.errors]
    if result.errors:
        lines.append(Text("The messages are stored; `memlora doctor --retry` tries again.", "dim"))
    if lines:
        return lines
    return [Text("(nothing to remember)" if result.turn_ids else "(nothing new)", "dim")]


def said_at(hit: Hit) -> datetime:
    """Return the time of a hit."""
    return hit.memory.observed_at if hit.memory else hit.turns[0].observed_at


def answer_text(answer: Answer) -> str:
    """Return the answer, or `DONT_KNOW` if it is unknown."""
    return clean(answer.text) if answer.known else DONT_KNOW


def sources_line(answer: Answer) -> Text:
    """Return the best sources of an answer, with dates; memories first, since messages repeat them."""
    hits = sorted(answer.hits, key=lambda hit: hit.memory is None)
    best = [f"{day(said_at(hit))}: {_clip(clean(hit.text))}" for hit in hits[:READ_SHOWN]]
    more = len(answer.hits) - len(best)
    words = " · ".join(best) + (f" · {more} more" if more else "")
    return Text(f"read {words}" if best else "nothing to read", "dim")


def memories_table(memories: Iterable[Memory]) -> Table:
    """Return a table of memories with their short ids."""
    table = _table("id", "said", "memory")
    for memory in memories:
        table.add_row(short(memory.id), f"{memory.observed_at:%Y-%m-%d}", clean(memory.text))
    return table


def history_table(operations: Iterable[Operation]) -> Table:
    """Return a table of operations, oldest first."""
    table = _table("when", "id", "what", "memory", "p", "by")
    for operation in operations:
        when = f"{operation.at:%Y-%m-%d %H:%M}" if operation.at else ""
        probability = "" if operation.probability is None else f"{operation.probability:.2f}"
        change = change_text(operation)
        table.add_row(when, short(operation.memory_id), badge(operation.event), change, probability, operation.by)
    return table


def usage_table(usages: Iterable[Usage]) -> Table:
    """Return a table of the cost of each node and in total."""
    table = Table("node", box=None, header_style="dim", pad_edge=False)
    for title in ("calls", "prompt tokens", "completion tokens", "seconds"):
        table.add_column(title, justify="right")
    usages = list(usages)
    for u in usages:
        table.add_row(u.stage, str(u.calls), str(u.prompt_tokens), str(u.completion_tokens), f"{u.seconds:.2f}")
    sums = [sum(getattr(u, key) for u in usages) for key in ("calls", "prompt_tokens", "completion_tokens")]
    table.add_row("total", *map(str, sums), f"{sum(u.seconds for u in usages):.2f}", style="bold")
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
