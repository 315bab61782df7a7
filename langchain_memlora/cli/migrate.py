"""`memlora migrate`: import of memories from other libraries."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from langchain_memlora.cli.output import clean, console, print_json
from langchain_memlora.cli.setting import Setting

app = typer.Typer(help="Import memories from another library.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Keep the library name a subcommand while there is only one."""


@app.command()
def mem0(
    ctx: typer.Context,
    path: Annotated[Path, typer.Argument(help="Folder with history.db, a Chroma folder or both.", exists=True)],
    user: Annotated[str, typer.Option("--user", "-u", envvar="MEMLORA_USER", help="The user who gets the memories.")],
    mem0_user: Annotated[str | None, typer.Option(help="Mem0's id of this user, if it differs.")] = None,
    collection: Annotated[str, typer.Option(help="The Chroma collection that mem0 filled.")] = "mem0",
    single_user: Annotated[
        bool, typer.Option("--single-user", help="Without Chroma: all memories in the history belong to this user.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Read mem0's history database and Chroma collection. Both stay as they are; running it again is safe."""
    from langchain_memlora.integrations.migrate import migrate_mem0

    setting: Setting = ctx.obj
    with setting.open() as memory:
        done = migrate_mem0(
            memory, path, user_id=user, mem0_user=mem0_user, collection=collection, single_user=single_user
        )
    if as_json:
        print_json(done)
        return
    out = console()
    out.print(Text(f"{done.memories} memories imported, {done.updated} updated, {done.unchanged} unchanged."))
    if done.others:
        out.print(Text(f"{done.others} belong to other users and were left out.", "dim"))
    for why in done.unreadable:
        out.print(Text(clean(why), "red"))
