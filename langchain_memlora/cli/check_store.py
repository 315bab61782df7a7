"""`memlora check-store`: conformance checks of a vector store."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from langchain_memlora.cli.load_function import load_function
from langchain_memlora.cli.output import clean, console, print_json


def check_store(
    made_by: Annotated[
        str, typer.Argument(metavar="MODULE:FUNCTION", help="Your function that returns a VectorStore or an Index.")
    ],
    many: Annotated[int, typer.Option(help="Number of entries that the largest check writes.", min=1)] = 10_000,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check a vector store; entries written are removed again. Exit code 1 if a check failed."""
    from langchain_memlora.testing import store_conformance

    report = store_conformance.check_store(load_function(made_by)(), many=many)
    if as_json:
        print_json({"ok": report.ok, "store": report.store, "findings": report.findings})
    else:
        console().print(Text("\n".join(map(clean, str(report).splitlines()))))
    if not report.ok:
        raise typer.Exit(1)
