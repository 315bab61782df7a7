"""Moving and mending: export, import, backup, reindex."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from langchain_memlora.cli.progress import watched
from langchain_memlora.cli.setting import Setting
from langchain_memlora.cli.show import console, print_json

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def export(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="A new file.")],
    user: Annotated[str | None, typer.Option("--user", "-u", help="Only this user's. Default: everybody's.")] = None,
) -> None:
    """Write turns, memories, history and jobs as JSON lines."""
    setting: Setting = ctx.obj
    with setting.open() as memory:
        memory.export(file, user_id=user)
    console().print(Text(f"{file} is written."))


def import_(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="What `memlora export` wrote.")],
    as_json: Json = False,
) -> None:
    """Take in an export: all of it, or nothing. What is here already is skipped."""
    setting: Setting = ctx.obj
    with setting.open() as memory:
        done = memory.import_(file)
    if as_json:
        print_json(done)
    else:
        words = f"{done.turns} turns, {done.memories} memories, {done.operations} operations came over"
        console().print(Text(f"{words}; {done.skipped} were here."))


def backup(ctx: typer.Context, file: Annotated[Path, typer.Argument(help="A new file.")]) -> None:
    """Copy the ledger, also while it is in use. The copy is a ledger: the `ledger.sqlite3` of a new folder."""
    setting: Setting = ctx.obj
    with setting.open() as memory:
        memory.backup(file)
    console().print(Text(f"{file} is written."))


def reindex(ctx: typer.Context, as_json: Json = False) -> None:
    """Write the vectors again from the ledger. What is interrupted goes on at the next call."""
    setting: Setting = ctx.obj
    with setting.open() as memory, watched() as watch:
        written = memory.rebuild(partial(watch, "reindex"))
    print_json({"written": written}) if as_json else console().print(Text(f"{written} items written."))


COMMANDS: dict[str, Callable[..., Any]] = {"export": export, "import": import_, "backup": backup, "reindex": reindex}
