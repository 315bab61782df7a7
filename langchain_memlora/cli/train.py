"""`memlora train`: training of an expert, from stories, labelled messages or rows."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from langchain_memlora.bundles import TEXT_ROLES, Role, load_bundle
from langchain_memlora.cli.output import print_json
from langchain_memlora.cli.setting import Setting
from langchain_memlora.errors import InvalidInputError

if TYPE_CHECKING:
    from langchain_memlora.lab.training.train import Recipe


def train(
    ctx: typer.Context,
    bundle: Annotated[Path, typer.Option(file_okay=False, help="The bundle to train; created if missing.")],
    role: Annotated[
        Role | None, typer.Argument(metavar="ROLE", help=f"One of {', '.join(Role)}. Leave it out with --all.")
    ] = None,
    every: Annotated[
        bool,
        typer.Option(
            "--all", help=f"Train {', '.join(TEXT_ROLES)}, one after the other; those that the bundle has are skipped."
        ),
    ] = False,
    stories: Annotated[
        list[Path] | None,
        typer.Option(exists=True, dir_okay=False, help="JSONL files; repeatable. Default: the shipped stories."),
    ] = None,
    messages: Annotated[
        list[Path] | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="Labelled messages for extraction of a `spans` bundle, in place of stories. Default: the shipped ones.",
        ),
    ] = None,
    allow_ungrounded: Annotated[
        bool,
        typer.Option("--allow-ungrounded", help="Accept facts in --messages with words that are not in their message."),
    ] = False,
    validation: Annotated[
        list[Path] | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="Validation stories, or labelled messages for --messages. Default: those marked `validation`, or files u1, "
            "w12 and w37 of the messages; else every twelfth.",
        ),
    ] = None,
    pairs: Annotated[
        list[Path] | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="Pairs for memory_update. Default: the shipped pairs and update cases, unless --stories is given.",
        ),
    ] = None,
    rows: Annotated[
        list[Path] | None,
        typer.Option(exists=True, dir_okay=False, help="Rows in place of stories, in the format of `memlora distil`."),
    ] = None,
    base: Annotated[
        str | None, typer.Option(help="Base model of a new bundle: a folder or hub id. Default: the base of --experts.")
    ] = None,
    data: Annotated[
        list[str] | None, typer.Option(help="Training data, for the card. Default for rows: the file names.")
    ] = None,
    work: Annotated[
        Path | None, typer.Option(file_okay=False, help="Folder for checkpoints. Default: beside the bundle.")
    ] = None,
    more: Annotated[
        bool, typer.Option("--more", help="Continue from the existing adapter, on freshly sampled rows.")
    ] = False,
    learning_rate: Annotated[
        float | None, typer.Option(min=0, help="Default: the role's recipe, as for the options below.")
    ] = None,
    epochs: Annotated[float | None, typer.Option(min=0, help="Passes over the rows.")] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Rows per step.")] = None,
    tokens: Annotated[
        int | None, typer.Option(min=1, help="Tokens per step, in place of --batch where messages are trained on.")
    ] = None,
    rank: Annotated[int | None, typer.Option(min=1, help="LoRA rank; alpha is twice the rank.")] = None,
    invocation: Annotated[
        str | None, typer.Option(help="Activated LoRA: the adapter is active from the last occurrence of this text on.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Random seed of weights and order.")] = None,
    silence: Annotated[
        float | None, typer.Option(min=0, max=1, help="Share of extraction windows without a fact to keep.")
    ] = None,
    augment: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Share of the messages to change at random: names, style, neighbours."),
    ] = None,
    insert: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="Share of the reader's questions to which evidence that retrieval missed is added."
        ),
    ] = None,
    contexts: Annotated[
        list[int] | None, typer.Option("--context", min=1, help="Tokens of context for the reader; repeatable.")
    ] = None,
) -> None:
    """Train one expert of a bundle, or all. A stopped run resumes when started again."""
    roles = _roles(role, every=every, not_with_all={"--rows": rows, "--more": more, "--validation": validation})
    if role is Role.VISION and not rows:
        msg = f"Stories can't train a {role} expert. Pass --rows, in the format of `memlora distil --vision`."
        raise InvalidInputError(msg)
    if rows and (stories or messages or pairs or validation or more):
        msg = "--rows can't be combined with --stories, --messages, --pairs, --validation or --more. Leave the others out."
        raise InvalidInputError(msg)
    from langchain_memlora.lab.training import build, build_rows
    from langchain_memlora.lab.training.base_check import check_trainable
    from langchain_memlora.lab.training.bundling import add_vision_role, base_spec, start_bundle
    from langchain_memlora.lab.training.messages import load_messages
    from langchain_memlora.lab.training.pairs import load_pairs
    from langchain_memlora.lab.training.row_files import load_rows
    from langchain_memlora.lab.training.stories import load_stories
    from langchain_memlora.lab.training.updates import shipped_pairs
    from langchain_memlora.lab.training.vision import check_sight
    from langchain_memlora.lab.training.vision_rows import vision_lines

    setting: Setting = ctx.obj
    exists = (bundle / "card.json").exists()
    source = load_bundle(bundle if exists else setting.experts)
    begun = source.card.base.name if exists else None
    choosing = Role.EXTRACTION in roles and source.card.dialect == "spans" and not rows
    if not every:
        _check_material(choosing=choosing, stories=stories, messages=messages, batch=batch, tokens=tokens)
    if base and begun and base_spec(base).name != begun:
        msg = f"{bundle} exists already, with the base {begun}. Leave --base={base} out, or pass a new folder."
        raise InvalidInputError(msg)
    # Validate all input before a bundle is created.
    if role is Role.VISION:
        list(vision_lines(rows or ()))
        check_sight(begun or base or source.card.base.name)
    elif rows:
        load_rows(*rows)
    material = () if rows or (choosing and not every) else load_stories(*(stories or ()))
    labelled = load_messages(*(messages or ()), grounded=bool(messages) and not allow_ungrounded) if choosing else ()
    held_out = load_messages(*validation) if choosing and validation else ()
    unpaired = stories or rows or Role.MEMORY_UPDATE not in roles
    given_pairs = load_pairs(*pairs) if pairs else () if unpaired else shipped_pairs()
    if every or base:
        check_trainable(begun or base or source.card.base.name, source, roles)
    if not begun:
        start_bundle(setting.experts, bundle, base=base, own_data=bool(rows or stories or messages))
    if role is Role.VISION:
        add_vision_role(bundle)
    work = work or bundle.with_name(f"{bundle.name}-work")
    options = {
        "learning_rate": learning_rate,
        "epochs": epochs,
        "batch": batch,
        "tokens": tokens,
        "rank": rank,
        "seed": seed,
        "invocation": invocation,
        "silence": silence,
        "insert": insert,
        "augment": augment,
        "contexts": tuple(contexts or ()) or None,
    }
    for number, each in enumerate(roles, 1):
        made = load_bundle(bundle)
        if every and each in made.adapters and each.value in made.card.training:
            print(f"{number}/{len(roles)} {each}: {bundle} has it already", file=sys.stderr)
            continue
        if every:
            print(f"{number}/{len(roles)} {each}", file=sys.stderr)
        is_choice = choosing and each is Role.EXTRACTION
        recipe = _recipe(each, options, choosing=is_choice)
        if rows:
            made = build_rows.build_from_rows(each, bundle, rows, work, recipe, data=data or ())
        elif is_choice:
            made = build.build_choice_expert(
                bundle, labelled, work, recipe, validation=held_out, data=data or (), more=more
            )
        else:
            validating = load_stories(*validation) if validation else ()
            made = build.build_expert(
                each,
                bundle,
                material,
                work,
                recipe,
                validation=validating,
                pairs=given_pairs,
                data=data or (),
                more=more,
            )
        if not every:
            print_json(made.card.training[each.value])
    if every:
        print_json(load_bundle(bundle).card.training)


def _roles(role: Role | None, *, every: bool, not_with_all: Mapping[str, object]) -> tuple[Role, ...]:
    """Return the roles to train: the one that was named, or those of text.

    Raises:
        InvalidInputError: Neither or both were asked for, or an option is given that trains one role only.
    """
    if every == (role is not None):
        msg = f"Pass either a role ({', '.join(Role)}) or --all."
        raise InvalidInputError(msg)
    if every and (wrong := [name for name, value in not_with_all.items() if value]):
        msg = f"--all can't be combined with {', '.join(wrong)}. Leave them out, or train role by role."
        raise InvalidInputError(msg)
    return (role,) if role else TEXT_ROLES


def _check_material(
    *,
    choosing: bool,
    stories: Sequence[Path] | None,
    messages: Sequence[Path] | None,
    batch: int | None,
    tokens: int | None,
) -> None:
    """Check that the data and the batch size are of the kind that the expert is trained with.

    Args:
        choosing: The expert chooses sentences.
    """
    if choosing and (stories or batch):
        msg = "The extraction expert of a spans bundle can't be trained with --stories or --batch. Pass --messages or --tokens."
        raise InvalidInputError(msg)
    if not choosing and (messages or tokens):
        msg = "--messages and --tokens are for the extraction expert of a spans bundle. Pass --stories or --batch."
        raise InvalidInputError(msg)


def _recipe(role: Role, options: Mapping[str, Any], *, choosing: bool) -> Recipe | None:
    """Return the role's recipe with the given options; `None` if there are none."""
    given = {name: value for name, value in options.items() if value is not None}
    if not given:
        return None
    from langchain_memlora.lab.training.branches import CHOICE_RECIPE
    from langchain_memlora.lab.training.train import RECIPES

    recipe = CHOICE_RECIPE if choosing else RECIPES[role]
    given.pop("batch" if choosing else "tokens", None)  # with --all, each role takes the one that it has
    return replace(recipe, **given, **({"alpha": 2 * given["rank"]} if "rank" in given else {}))
