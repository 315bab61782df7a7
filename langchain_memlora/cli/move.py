"""Commands for moving and repairing a memory: export, import, backup, reindex."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from langchain_memlora.cli.output import console, print_json
from langchain_memlora.cli.progress import progress_reporter
from langchain_memlora.cli.setting import Setting

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def export(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="A new file.")],
    user: Annotated[str | None, typer.Option("--user", "-u", help="Only this user. Default: all users.")] = None,
) -> None:
    """Write turns, memories, history and jobs as JSON lines."""
    setting: Setting = ctx.obj
    with setting.open() as memory:
        memory.export(file, user_id=user)
    console().print(Text(f"Wrote {file}."))


def import_(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="A file written by `memlora export`.")],
    as_json: Json = False,
) -> None:
    """Import an export, whole or not at all. Existing records are skipped."""
    setting: Setting = ctx.obj
    with setting.open() as memory:
        done = memory.import_(file)
    if as_json:
        print_json(done)
    else:
        words = f"{done.turns} turns, {done.memories} memories, {done.operations} operations imported"
        console().print(Text(f"{words}; {done.skipped} existed already."))


def backup(ctx: typer.Context, file: Annotated[Path, typer.Argument(help="A new file.")]) -> None:
    """Copy the ledger, even while in use. The copy can serve as the `ledger.sqlite3` of a new folder."""
    setting: Setting = ctx.obj
    with setting.open() as memory:
        memory.backup(file)
    console().print(Text(f"Wrote {file}."))


def reindex(ctx: typer.Context, as_json: Json = False) -> None:
    """Rebuild the vectors from the ledger. An interrupted run resumes at the next call."""
    setting: Setting = ctx.obj
    with setting.open() as memory, progress_reporter() as watch:
        written = memory.rebuild(partial(watch, "reindex"))
    print_json({"written": written}) if as_json else console().print(Text(f"Wrote {written} items."))


COMMANDS: dict[str, Callable[..., Any]] = {"export": export, "import": import_, "backup": backup, "reindex": reindex}
