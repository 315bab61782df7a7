"""`memlora select`: the best combination of trained adapters."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from langchain_memlora.bundles import Role
from langchain_memlora.cli.output import console

Candidates = Annotated[
    list[Path] | None, typer.Option(exists=True, file_okay=False, help="Bundle with a candidate; repeatable.")
]


def select(
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder for the scores, the table and the selection.")],
    extraction: Candidates = None,
    memory_update: Candidates = None,
    generation: Candidates = None,
    stories: Annotated[
        list[Path] | None,
        typer.Option(exists=True, dir_okay=False, help="Stories to score with. Default: the held-out shipped stories."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Score with the first stories only.")] = None,
    margin: Annotated[
        float, typer.Option(min=0, help="Maximum distance of a candidate from the best score of its role.")
    ] = 0.02,
    keep: Annotated[int, typer.Option(min=1, help="Maximum number of candidates per role to combine.")] = 3,
) -> None:
    """Choose experts by the score of the whole pipeline. A stopped run resumes when started again."""
    from langchain_memlora.lab.selection.scoring import StoryScore
    from langchain_memlora.lab.selection.select import select_experts
    from langchain_memlora.lab.training.build import split
    from langchain_memlora.lab.training.stories import load_stories

    validation = load_stories(*stories) if stories else split(load_stories())[1]
    candidates = {
        Role.EXTRACTION: extraction or [],
        Role.MEMORY_UPDATE: memory_update or [],
        Role.GENERATION: generation or [],
    }
    score = StoryScore(validation[:limit])
    made = select_experts(candidates, score, out, margin=margin, keep=keep)
    console().print(
        f"{made.table()}\n{score.name}: {made.score:.4f}. Next: `memlora bundle TARGET --chosen {out / 'chosen.json'}`."
    )
