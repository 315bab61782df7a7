"""`memlora train`: an expert of your own, from stories."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Annotated

import typer

from langchain_memlora.cli.setting import Setting
from langchain_memlora.cli.show import print_json
from langchain_memlora.errors import InvalidInputError
from langchain_memlora.experts import TEXT_ROLES, Role, load_bundle

FILES = ("prompts", "chat_template.jinja")


def train(
    ctx: typer.Context,
    role: Annotated[Role, typer.Argument(metavar="ROLE", help=f"One of {', '.join(TEXT_ROLES)}.")],
    bundle: Annotated[Path, typer.Option(file_okay=False, help="The bundle to train; made if it is not there.")],
    stories: Annotated[
        list[Path] | None,
        typer.Option(exists=True, dir_okay=False, help="JSONL files, repeatable. Default: the shipped stories."),
    ] = None,
    work: Annotated[
        Path | None, typer.Option(file_okay=False, help="Folder for checkpoints. Default: beside the bundle.")
    ] = None,
    more: Annotated[
        bool, typer.Option("--more", help="Go on from the adapter that is there, on rows cut anew.")
    ] = False,
) -> None:
    """Train one expert of a bundle. A run that was stopped goes on when started again."""
    if role not in TEXT_ROLES:
        msg = f"Stories can't train a {role} expert. Choose one of {', '.join(TEXT_ROLES)}."
        raise InvalidInputError(msg)
    from langchain_memlora.training import build
    from langchain_memlora.training.stories import load_stories

    setting: Setting = ctx.obj
    material = load_stories(*(stories or ()))
    if not (bundle / "card.json").exists():
        start_bundle(setting.experts, bundle)
    made = build.build_expert(role, bundle, material, work or bundle.with_name(f"{bundle.name}-work"), more=more)
    print_json(made.card.training[role.value])


def start_bundle(source: str, target: Path) -> None:
    """A bundle without adapters: the prompts of another one, and its card without what was measured on its adapters."""
    model = load_bundle(source)
    target.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        origin = model.path / name
        if origin.is_dir():
            shutil.copytree(origin, target / name, dirs_exist_ok=True)
        elif origin.exists():
            shutil.copy(origin, target / name)
    card = model.card.model_copy(update={"name": target.resolve().name, "training": {}, "scores": {}})
    # The card comes last: a folder with a card is taken for a whole bundle.
    (target / "card.json").write_text(json.dumps(card.model_dump(mode="json"), indent=2) + "\n", encoding="utf-8")
