"""`memlora ingest`: the conversations of many users, from JSON Lines files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from langchain_memlora.cli.load_function import load_function
from langchain_memlora.cli.output import console, print_json
from langchain_memlora.cli.progress import progress_reporter
from langchain_memlora.cli.setting import Setting
from langchain_memlora.errors import InvalidInputError

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
SHOWN = 10


def ingest(
    ctx: typer.Context,
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            exists=True,
            dir_okay=False,
            help="One conversation per line: user_id, observed_at, messages; optional agent_id, run_id, thread_id, metadata.",
        ),
    ],
    in_flight: Annotated[int, typer.Option(min=1, help="Maximum number of conversations in progress.")] = 8,
    on_ray: Annotated[
        str | None,
        typer.Option(
            metavar="MODULE:FUNCTION", help="Run on a Ray cluster; your function opens the memory in each actor."
        ),
    ] = None,
    actors: Annotated[int, typer.Option(min=1, help="Number of actors with --on-ray.")] = 2,
    as_json: Json = False,
) -> None:
    """Add the conversations of many users. After an interruption, run it again: known messages are skipped."""
    setting: Setting = ctx.obj
    given = (_conversation(file, number, line) for file, number, line in _lines(files))
    if on_ray:
        from langchain_memlora.memory.on_ray import ingest_on_ray, send_by_value

        done = ingest_on_ray(given, send_by_value(load_function(on_ray)), actors=actors)
    else:
        total = sum(1 for _ in _lines(files))
        with setting.open() as memory, progress_reporter() as watch:
            done = memory.add_many(given, in_flight=in_flight, progress=lambda count: watch("ingest", count, total))
    if as_json:
        print_json(done)
    else:
        words = f"{done.conversations} conversations: {done.turns} new messages, {done.operations} operations"
        console().print(Text(f"{words}; {done.skipped} messages were known or empty."))
        for position, problem in list(done.problems.items())[:SHOWN]:
            console(stderr=True).print(Text(f"Conversation {position + 1}: {problem}"))
    if done.failed:
        raise typer.Exit(1)


def _lines(files: Sequence[Path]) -> Iterator[tuple[Path, int, bytes]]:
    """Yield all lines that are not blank."""
    for path in files:
        with path.open("rb") as file:
            yield from ((path, number, line) for number, line in enumerate(file, 1) if line.strip())


def _conversation(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line)
        at = datetime.fromisoformat(found["observed_at"])
    except (ValueError, TypeError, KeyError) as error:
        msg = (
            f"Line {number} of {path} is not a conversation ({type(error).__name__}: {error}). Write a JSON object with "
            "user_id, messages and observed_at, an ISO date; the lines before it were added."
        )
        raise InvalidInputError(msg) from error
    return {**found, "observed_at": at if at.tzinfo else at.replace(tzinfo=UTC)}
