"""`memlora doctor`: checks the installation and the memory, repairs on request, and names the remedies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from langchain_memlora.cli.output import clean, console, print_json, spinner
from langchain_memlora.cli.progress import progress_reporter
from langchain_memlora.cli.setting import Setting
from langchain_memlora.memory.health import CHECKS, NOTHING, Check, Checker, Target, careful

STYLES = {"ok": "green", "warning": "yellow", "problem": "bold red"}


def doctor(
    ctx: typer.Context,
    rebuild_index: Annotated[
        bool, typer.Option("--rebuild", help="Rebuild the index, and move it from an older embedder; resumable.")
    ] = False,
    retry_jobs: Annotated[bool, typer.Option("--retry", help="Process what failed or was interrupted.")] = False,
    repair_all: Annotated[
        bool, typer.Option("--repair", help="Rebuild full-text search and index, and process what failed.")
    ] = False,
    reread_turns: Annotated[
        bool, typer.Option("--reread", help="Read again what is not read, and what older bundles read; resumable.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check models, experts and stored data; exit code 1 if there is a problem."""
    setting: Setting = ctx.obj
    out = console(stderr=as_json)
    rows: list[Check] = []

    def run(checks: Iterable[Checker]) -> None:
        with spinner(out, "checking"):
            rows.extend(row for check in checks for row in check(setting.target))

    run([words] * repair_all)
    if rebuild_index or repair_all:
        rows += rebuild(setting.target)
    run([retry] * (retry_jobs or repair_all))
    if reread_turns:
        rows += reread(setting.target)
    run(CHECKS)
    healthy = all(row.state != "problem" for row in rows)
    if as_json:
        print_json({"ok": healthy, "checks": rows})
    else:
        out.print(_table(rows))
    if not healthy:
        raise typer.Exit(1)


@careful
def words(target: Target) -> Iterator[Check]:
    """Rebuild wrong entries of full-text search from the tables."""
    if not target.is_stored:
        yield Check("words", "ok", NOTHING)
        return
    with target.open() as memory:
        yield Check("words", "ok", f"{memory.ledger.repair()} entries of full-text search were wrong")


@careful
def rebuild(target: Target) -> Iterator[Check]:
    """Rebuild the index, with today's default embedder if that of an earlier version made it."""
    if not target.is_stored:
        yield Check("rebuild", "ok", NOTHING)
        return
    with target.open() as memory, progress_reporter() as report:
        before = memory.embeddings.name
        written = memory.rebuild(lambda done, total: report("rebuilding", done, total))
        moved = f", moved from {before} to {memory.embeddings.name}" if memory.embeddings.name != before else ""
        yield Check("rebuild", "ok", f"{written} items written{moved}")


@careful
def retry(target: Target) -> Iterator[Check]:
    """Process jobs that failed or were interrupted."""
    if not target.is_stored:
        yield Check("retry", "ok", NOTHING)
        return
    with target.open() as memory:
        result = memory.retry()
    found = f"{len(result.operations)} operations"
    if result.errors:
        yield Check("retry", "warning", f"{found}, {len(result.errors)} parts failed again: {result.errors[0].message}")
    else:
        yield Check("retry", "ok", found)


@careful
def reread(target: Target) -> Iterator[Check]:
    """Read stored turns again."""
    if not target.is_stored:
        yield Check("reread", "ok", NOTHING)
        return
    with target.open() as memory, progress_reporter() as report:
        done = memory.reread(lambda done, total: report("reading again", done, total))
    withdrawn = sum(operation.by == "reread" for operation in done.operations)
    found = f"{done.turns} turns read: {len(done.operations) - withdrawn} operations, {withdrawn} unproven memories withdrawn"
    if done.unread:
        found += f"; {done.unread} turns in a language that {memory.bundle.card.name} does not know"
    if done.kept:
        found += f"; {len(done.kept)} requests to forget name a newer memory, which stays"
    if done.errors:
        yield Check(
            "reread", "warning", f"{found}; {len(done.errors)} failed: {done.errors[0].message}", "Run it again."
        )
    else:
        yield Check("reread", "ok", found)


def _table(rows: list[Check]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for row in rows:
        text = Text(clean(row.found))
        if row.fix:
            text.append(f"\n{clean(row.fix)}", "dim")
        table.add_row(Text(row.state, STYLES[row.state]), row.name, text)
    return table
