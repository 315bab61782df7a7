"""`memlora bundle`: a folder of experts, ready for `MemLoRAMemory(experts=...)`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from langchain_memlora.bundles import Role
from langchain_memlora.cli.output import console
from langchain_memlora.errors import InvalidInputError

Source = Annotated[Path | None, typer.Option(exists=True, file_okay=False, help="Bundle to take the adapter from.")]


def bundle(
    target: Annotated[Path, typer.Argument(help="The folder to create.")],
    extraction: Source = None,
    memory_update: Source = None,
    generation: Source = None,
    vision: Source = None,
    chosen: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="The chosen.json of `memlora select`, in place of the above."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Default: the folder's name.")] = None,
    licence: Annotated[str | None, typer.Option(help="Default: that of the sources, if they agree.")] = None,
    data: Annotated[list[str] | None, typer.Option(help="Training data, for the card; repeatable.")] = None,
) -> None:
    """Assemble trained adapters, each with its prompt and training record, and check that they load."""
    from langchain_memlora.lab.training.bundling import assemble_bundle

    given = dict(zip(Role, (extraction, memory_update, generation, vision), strict=True))
    sources = {role: path for role, path in given.items() if path}
    scores: dict[str, Any] = {}
    if chosen:
        if sources:
            msg = f"--chosen {chosen} and {', '.join(sources)} were both given. Pass either --chosen or the bundles."
            raise InvalidInputError(msg)
        sources, scores = _read_choice(chosen)
    made = assemble_bundle(sources, target, name=name, licence=licence, data=data or (), scores=scores)
    console().print(f"{made.path}: {', '.join(made.adapters)} for {made.card.base.name}, licence {made.card.licence}")


def _read_choice(path: Path) -> tuple[dict[Role, Path], dict[str, Any]]:
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
        return {Role(role): Path(place) for role, place in read["chosen"].items()}, {"selection": read["score"]}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        msg = f"{path} is not a selection ({type(error).__name__}: {error}). Pass the chosen.json of `memlora select`."
        raise InvalidInputError(msg) from error
