"""The Typer app: global options, and the commands of the other files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from langchain_memlora._version import __version__
from langchain_memlora.bundles import DEFAULT_BUNDLE
from langchain_memlora.cli import (
    bundle,
    chat,
    check_store,
    data,
    demo,
    distil,
    doctor,
    evaluate,
    export_adapters,
    ingest,
    mcp,
    migrate,
    models,
    move,
    report,
    select,
    stories,
    train,
    ui,
)
from langchain_memlora.cli.load_function import load_function
from langchain_memlora.cli.output import print_error
from langchain_memlora.cli.setting import Setting
from langchain_memlora.errors import MemLoRAError


class _Group(TyperGroup):
    """Prints expected errors in one line."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except MemLoRAError as error:
            if ctx.params.get("debug"):
                raise
            print_error(error)
            raise typer.Exit(1) from None


app = typer.Typer(
    name="memlora",
    cls=_Group,
    help="Long-term memory for agents, on this machine: one small model, one LoRA expert for each memory operation.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"memlora {__version__}")
        raise typer.Exit


@app.callback()
def options(
    ctx: typer.Context,
    path: Annotated[
        Path | None, typer.Option(envvar="MEMLORA_HOME", help="Folder of the memory. Default: your data folder.")
    ] = None,
    experts: Annotated[str, typer.Option(help="Bundle of experts: a name or a folder.")] = DEFAULT_BUNDLE,
    open_: Annotated[
        str | None,
        typer.Option(
            "--open",
            metavar="MODULE:FUNCTION",
            envvar="MEMLORA_OPEN",
            help="Your function that returns the memory, with its own ledger, index, embedder or engine.",
        ),
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Read the global options; their help text is that of the app."""
    setting = ctx.obj or Setting()
    opened_by = load_function(open_) if open_ else setting.opened_by
    ctx.obj = replace(setting, path=path or setting.path, experts=experts, opened_by=opened_by)


app.command("demo")(demo.demo)
app.command("chat")(chat.chat)
for name, command in data.COMMANDS.items():
    app.command(name)(command)
for name, command in move.COMMANDS.items():
    app.command(name)(command)
app.command("ingest")(ingest.ingest)
app.command("mcp")(mcp.mcp)
app.command("ui")(ui.ui)
app.add_typer(models.app, name="models")
app.add_typer(migrate.app, name="migrate")
app.command("distil")(distil.distil)
app.command("stories")(stories.stories)
app.command("train")(train.train)
app.command("select")(select.select)
app.command("bundle")(bundle.bundle)
app.command("export-adapters")(export_adapters.export_adapters)
app.command("evaluate")(evaluate.evaluate)
app.command("report")(report.report)
app.command("check-store")(check_store.check_store)
app.command("doctor")(doctor.doctor)
