"""`memlora stories`: training stories from published conversations with annotations."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from langchain_memlora.cli.output import console


def stories(
    locomo: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="LoCoMo's `locomo10.json`.")],
    *,
    out: Annotated[Path, typer.Option(dir_okay=False, help="File for the stories, one JSON object per line.")],
    conversations: Annotated[
        str, typer.Option(metavar="4,5,6", help="Positions in the file. Default: the paper's training split.")
    ] = "4,5,6,7,8,9,10",
) -> None:
    """Write training stories from LoCoMo's annotated facts and questions (CC BY-NC 4.0, also for models trained on them)."""
    from langchain_memlora.cli.evaluate import places_of
    from langchain_memlora.lab.evaluation.datasets.as_story import story_of
    from langchain_memlora.lab.evaluation.datasets.locomo import load_locomo

    made = [story_of(conversation) for conversation in load_locomo(locomo, places_of(conversations) or ())]
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text("".join(f"{story.model_dump_json(by_alias=True)}\n" for story in made), encoding="utf-8")
    console().print(f"{len(made)} stories with {sum(len(story.questions) for story in made)} questions in {out}")
