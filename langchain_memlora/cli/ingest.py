"""`memlora ingest`: the histories of many users, from files of JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from langchain_memlora.cli.named import named
from langchain_memlora.cli.progress import watched
from langchain_memlora.cli.setting import Setting
from langchain_memlora.cli.show import console, print_json
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
            help="One conversation a line: user_id, observed_at, messages; agent_id, run_id, thread_id, metadata if wanted.",
        ),
    ],
    in_flight: Annotated[int, typer.Option(min=1, help="How many conversations are worked on at once.")] = 8,
    on_ray: Annotated[
        str | None,
        typer.Option(
            metavar="MODULE:FUNCTION", help="Work on a Ray cluster; the function opens the memory in each actor."
        ),
    ] = None,
    actors: Annotated[int, typer.Option(min=1, help="How many actors there are with --on-ray.")] = 2,
    as_json: Json = False,
) -> None:
    """Add the histories of many users. Whatever stops it, run it again: what is known is skipped."""
    setting: Setting = ctx.obj
    given = (_conversation(file, number, line) for file, number, line in _lines(files))
    if on_ray:
        from langchain_memlora.memory.on_ray import ingest_on_ray, send_by_value

        done = ingest_on_ray(given, send_by_value(named(on_ray)), actors=actors)
    else:
        total = sum(1 for _ in _lines(files))
        with setting.open() as memory, watched() as watch:
            done = memory.add_many(given, in_flight=in_flight, progress=lambda count: watch("ingest", count, total))
    if as_json:
        print_json(done)
    else:
        words = f"{done.conversations} conversations: {done.turns} new messages, {done.operations} operations"
        console().print(Text(f"{words}; {done.skipped} messages were here or hold nothing to keep."))
        for position, problem in list(done.problems.items())[:SHOWN]:
            console(stderr=True).print(Text(f"Conversation {position + 1}: {problem}"))
    if done.failed:
        raise typer.Exit(1)


def _lines(files: Sequence[Path]) -> Iterator[tuple[Path, int, bytes]]:
    """All lines that are not blank, one at a time."""
    for path in files:
        with path.open("rb") as file:
            yield from ((path, number, line) for number, line in enumerate(file, 1) if line.strip())


def _conversation(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line)
        at = datetime.fromisoformat(found["observed_at"])
    except (ValueError, TypeError, KeyError) as error:
        msg = (
            f"Line {number} of {path} is no conversation ({type(error).__name__}: {error}). Write a JSON object with user_id, "
            "messages and observed_at, an ISO date; what came before it was added."
        )
        raise InvalidInputError(msg) from error
    return {**found, "observed_at": at if at.tzinfo else at.replace(tzinfo=UTC)}
