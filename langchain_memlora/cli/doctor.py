"""`memlora doctor`: is everything all right, and if not, what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from langchain_memlora.cli.checks import CHECKS, NOTHING, Check, careful, is_stored
from langchain_memlora.cli.output import clean, console, print_json, spinner
from langchain_memlora.cli.setting import Setting

STYLES = {"ok": "green", "warning": "yellow", "problem": "bold red"}


def doctor(
    ctx: typer.Context,
    rebuild_index: Annotated[bool, typer.Option("--rebuild", help="Write the index again from the ledger.")] = False,
    retry_jobs: Annotated[bool, typer.Option("--retry", help="Work off what failed or was interrupted.")] = False,
    repair_all: Annotated[
        bool, typer.Option("--repair", help="Make full-text search and index anew, and work off what failed.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check models, experts and stored data; exit code 1 if there is a problem."""
    setting: Setting = ctx.obj
    out = console(stderr=as_json)
    mending = [words] * repair_all + [rebuild] * (rebuild_index or repair_all) + [retry] * (retry_jobs or repair_all)
    with spinner(out, "looking"):
        rows = [row for check in (*mending, *CHECKS) for row in check(setting)]
    well = all(row.state != "problem" for row in rows)
    if as_json:
        print_json({"ok": well, "checks": rows})
    else:
        out.print(_table(rows))
    if not well:
        raise typer.Exit(1)


@careful
def words(setting: Setting) -> Iterator[Check]:
    """Make full-text search say again what the tables say."""
    if not is_stored(setting):
        yield Check("words", "ok", NOTHING)
        return
    with setting.open() as memory:
        yield Check("words", "ok", f"{memory.ledger.repair()} entries of full-text search were wrong")


@careful
def rebuild(setting: Setting) -> Iterator[Check]:
    """Write the index again."""
    if not is_stored(setting):
        yield Check("rebuild", "ok", NOTHING)
        return
    with setting.open() as memory:
        yield Check("rebuild", "ok", f"{memory.rebuild()} items written")


@careful
def retry(setting: Setting) -> Iterator[Check]:
    """Work off jobs that failed or were interrupted."""
    if not is_stored(setting):
        yield Check("retry", "ok", NOTHING)
        return
    with setting.open() as memory:
        result = memory.retry()
    found = f"{len(result.operations)} operations"
    if result.errors:
        yield Check("retry", "warning", f"{found}, {len(result.errors)} parts failed again: {result.errors[0].message}")
    else:
        yield Check("retry", "ok", found)


def _table(rows: list[Check]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for row in rows:
        said = Text(clean(row.found))
        if row.mend:
            said.append(f"\n{clean(row.mend)}", "dim")
        table.add_row(Text(row.state, STYLES[row.state]), row.name, said)
    return table
