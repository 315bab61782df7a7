"""`memlora report`: runs of `memlora evaluate` as tables and plots."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", exists=True, file_okay=False, help="Folders of runs.")
    ],
    *,
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder for the pages and plots.")],
) -> None:
    """Report runs as a Markdown and an HTML page with plots."""
    from langchain_memlora.lab.evaluation.report import write_report

    for file in write_report(runs, out):
        typer.echo(file)
