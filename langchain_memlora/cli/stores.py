"""`memlora check-store`: can the memory use this vector store?"""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from langchain_memlora.cli.named import named
from langchain_memlora.cli.show import clean, console, print_json


def check_store(
    made_by: Annotated[
        str, typer.Argument(metavar="MODULE:FUNCTION", help="A function of yours that gives a VectorStore or an Index.")
    ],
    many: Annotated[int, typer.Option(help="How many entries the largest check writes.", min=1)] = 10_000,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Judge a vector store; what is written is removed again. Exit code 1 if a check failed."""
    from langchain_memlora.testing import store_conformance

    report = store_conformance.check_store(named(made_by)(), many=many)
    if as_json:
        print_json({"ok": report.ok, "store": report.store, "findings": report.findings})
    else:
        console().print(Text("\n".join(map(clean, str(report).splitlines()))))
    if not report.ok:
        raise typer.Exit(1)
