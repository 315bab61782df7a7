"""`memlora train`: an expert of your own, from stories or from rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from langchain_memlora.bundles import Role, load_bundle
from langchain_memlora.cli.setting import Setting
from langchain_memlora.cli.show import print_json
from langchain_memlora.errors import InvalidInputError

if TYPE_CHECKING:
    from langchain_memlora.lab.training.train import Recipe


def train(
    ctx: typer.Context,
    role: Annotated[Role, typer.Argument(metavar="ROLE", help=f"One of {', '.join(Role)}.")],
    bundle: Annotated[Path, typer.Option(file_okay=False, help="The bundle to train; made if it is not there.")],
    stories: Annotated[
        list[Path] | None,
        typer.Option(exists=True, dir_okay=False, help="JSONL files, repeatable. Default: the shipped stories."),
    ] = None,
    validation: Annotated[
        list[Path] | None,
        typer.Option(exists=True, dir_okay=False, help="Stories that only judge. Default: those marked so."),
    ] = None,
    pairs: Annotated[
        list[Path] | None,
        typer.Option(
            exists=True, dir_okay=False, help="Pairs for memory_update. Default: the shipped, if stories are."
        ),
    ] = None,
    rows: Annotated[
        list[Path] | None,
        typer.Option(exists=True, dir_okay=False, help="Rows in place of stories, as `memlora distil` writes them."),
    ] = None,
    base: Annotated[
        str | None, typer.Option(help="Base model of a new bundle: a folder or hub id. Default: the experts' own.")
    ] = None,
    data: Annotated[
        list[str] | None, typer.Option(help="What it is trained on, for the card. Default for rows: the files' names.")
    ] = None,
    work: Annotated[
        Path | None, typer.Option(file_okay=False, help="Folder for checkpoints. Default: beside the bundle.")
    ] = None,
    more: Annotated[
        bool, typer.Option("--more", help="Go on from the adapter that is there, on rows cut anew.")
    ] = False,
    learning_rate: Annotated[
        float | None, typer.Option(min=0, help="Default: the role's recipe; so are the next.")
    ] = None,
    epochs: Annotated[float | None, typer.Option(min=0, help="Passes over the rows.")] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Rows a step.")] = None,
    rank: Annotated[int | None, typer.Option(min=1, help="LoRA rank; alpha is twice as much.")] = None,
    invocation: Annotated[
        str | None, typer.Option(help="Activated LoRA: the adapter works only from where this text stands last.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of weights and order.")] = None,
    silence: Annotated[
        float | None, typer.Option(min=0, max=1, help="Share of the extraction windows without a fact that are kept.")
    ] = None,
    insert: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Share of the reader's questions that are given evidence retrieval missed."),
    ] = None,
    contexts: Annotated[
        list[int] | None, typer.Option("--context", min=1, help="Tokens of context for the reader; repeatable.")
    ] = None,
) -> None:
    """Train one expert of a bundle. A run that was stopped goes on when started again."""
    if role is Role.VISION and not rows:
        msg = f"Stories can't train a {role} expert. Pass --rows, as `memlora distil --vision` writes them."
        raise InvalidInputError(msg)
    if rows and (stories or pairs or validation or more):
        msg = (
            "--rows was given with --stories, --pairs, --validation or --more. Rows stand alone; leave the others out."
        )
        raise InvalidInputError(msg)
    from langchain_memlora.lab.training import build, build_rows
    from langchain_memlora.lab.training.bundling import add_vision_role, base_spec, start_bundle
    from langchain_memlora.lab.training.pairs import load_pairs
    from langchain_memlora.lab.training.row_files import load_rows
    from langchain_memlora.lab.training.stories import load_stories
    from langchain_memlora.lab.training.vision import check_sight
    from langchain_memlora.lab.training.vision_rows import vision_lines

    setting: Setting = ctx.obj
    begun = load_bundle(bundle).card.base.name if (bundle / "card.json").exists() else None
    if base and begun and base_spec(base).name != begun:
        msg = f"{bundle} is there already, with {begun} as its base. Leave --base={base} out, or name a new folder."
        raise InvalidInputError(msg)
    # What can be refused is refused before a bundle is made for nothing.
    if role is Role.VISION:
        list(vision_lines(rows or ()))
        check_sight(begun or base or load_bundle(setting.experts).card.base.name)
    material = () if role is Role.VISION else load_rows(*rows) if rows else load_stories(*(stories or ()))
    if not begun:
        start_bundle(setting.experts, bundle, base=base, own_data=bool(rows or stories))
    if role is Role.VISION:
        add_vision_role(bundle)
    work = work or bundle.with_name(f"{bundle.name}-work")
    options = {"learning_rate": learning_rate, "epochs": epochs, "batch": batch, "rank": rank, "seed": seed}
    options["invocation"] = invocation
    recipe = _recipe(role, {**options, "silence": silence, "insert": insert, "contexts": tuple(contexts or ()) or None})
    if rows:
        made = build_rows.build_from_rows(role, bundle, rows, work, recipe, data=data or ())
    else:
        judging = load_stories(*validation) if validation else ()
        beside = load_pairs(*(pairs or ())) if pairs or not stories else ()
        given = {"validation": judging, "pairs": beside, "data": data or (), "more": more}
        made = build.build_expert(role, bundle, material, work, recipe, **given)
    print_json(made.card.training[role.value])


def _recipe(role: Role, options: Mapping[str, Any]) -> Recipe | None:
    """The role's recipe with what was asked for; `None` if nothing was."""
    given = {name: value for name, value in options.items() if value is not None}
    if not given:
        return None
    from langchain_memlora.lab.training.train import RECIPES

    return replace(RECIPES[role], **given, **({"alpha": 2 * given["rank"]} if "rank" in given else {}))
