"""`memlora select`: which of several trained adapters work best together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from langchain_memlora.bundles import Role
from langchain_memlora.cli.show import console

Candidates = Annotated[
    list[Path] | None, typer.Option(exists=True, file_okay=False, help="Bundle with a candidate; repeatable.")
]


def select(
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder for scores, table and choice.")],
    extraction: Candidates = None,
    memory_update: Candidates = None,
    generation: Candidates = None,
    stories: Annotated[
        list[Path] | None,
        typer.Option(exists=True, dir_okay=False, help="Stories to judge by. Default: the shipped ones held out."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Judge by the first few stories only.")] = None,
    margin: Annotated[float, typer.Option(min=0, help="How much worse than a role's best a candidate may be.")] = 0.02,
    keep: Annotated[int, typer.Option(min=1, help="At most so many candidates of a role are combined.")] = 3,
) -> None:
    """Choose experts by the score of the whole pipeline. A run that was stopped goes on when started again."""
    from langchain_memlora.lab.selection.scoring import StoryScore
    from langchain_memlora.lab.selection.select import select_experts
    from langchain_memlora.lab.training.build import split
    from langchain_memlora.lab.training.stories import load_stories

    judged = load_stories(*stories) if stories else split(load_stories())[1]
    candidates = {
        Role.EXTRACTION: extraction or [],
        Role.MEMORY_UPDATE: memory_update or [],
        Role.GENERATION: generation or [],
    }
    score = StoryScore(judged[:limit])
    made = select_experts(candidates, score, out, margin=margin, keep=keep)
    console().print(
        f"{made.table()}\n{score.name}: {made.score:.4f}. `memlora bundle --chosen {out / 'chosen.json'}` takes it."
    )
