"""Stories to a trained expert in a bundle, in one call: what `memlora train` runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import compress
from pathlib import Path

from langchain_memlora.bundles.bundle import Bundle, load_bundle
from langchain_memlora.bundles.roles import Role
from langchain_memlora.errors import InvalidInputError
from langchain_memlora.lab.training.bundling import record_training
from langchain_memlora.lab.training.pairs import Pair, pair_rows, split_pairs
from langchain_memlora.lab.training.rows import RELATED_TWICE, Row, extraction_rows, story_sessions, update_rows
from langchain_memlora.lab.training.stories import Story
from langchain_memlora.lab.training.train import RECIPES, Recipe, train_expert

HELD_OUT = 12
VALIDATION_ROWS = 64


def split(stories: Sequence[Story]) -> tuple[list[Story], list[Story]]:
    """Training and validation stories: those marked, or every twelfth where none is."""
    marked = [story.validation for story in stories]
    if not any(marked):
        marked = [number % HELD_OUT == 0 for number in range(len(stories))]
    return [s for s, m in zip(stories, marked, strict=True) if not m], list(compress(stories, marked))


def story_rows(
    role: Role, bundle: Bundle, stories: Sequence[Story], recipe: Recipe | None = None, pairs: Sequence[Pair] = ()
) -> list[Row]:
    """The rows of a role. Extraction sees every session cut in two different ways, others with another seed.

    Args:
        pairs: More for memory_update. Hard to tell apart and few, they are shown twice, like the related ones of stories.
    """
    recipe = recipe or RECIPES.get(role, Recipe())
    seed = recipe.seed
    match role:
        case Role.EXTRACTION:
            sessions = story_sessions(stories)
            seeds = (2 * seed, 2 * seed + 1)
            return [row for s in seeds for row in extraction_rows(bundle, sessions, silence=recipe.silence, seed=s)]
        case Role.MEMORY_UPDATE:
            return [*update_rows(bundle, stories, seed=seed), *pair_rows(bundle, pairs) * RELATED_TWICE]
        case Role.GENERATION:
            from langchain_memlora.lab.training.reading import generation_rows

            options = {"budgets": recipe.contexts, "insert": recipe.insert}
            return generation_rows(bundle, stories, **options, seed=seed)
    msg = f"Stories hold no rows for the {role} expert. Choose extraction, memory_update or generation."
    raise InvalidInputError(msg)


def build_expert(
    role: Role,
    bundle_path: Path,
    stories: Sequence[Story],
    work: Path,
    recipe: Recipe | None = None,
    *,
    validation: Sequence[Story] = (),
    pairs: Sequence[Pair] = (),
    data: Sequence[str] = (),
    more: bool = False,
) -> Bundle:
    """Train a role on stories, put the adapter into the bundle and the record on its card.

    Args:
        validation: Stories that only judge. Default: those of `stories` that are marked, or every twelfth.
        pairs: More for memory_update; every twelfth only judges.
        data: What the stories are, for the card.
        more: Go on from the adapter that is there, on rows cut anew; the card keeps both records.

    Returns:
        The bundle, loaded again with its new expert.

    Raises:
        InvalidInputError: The stories give no rows for this role.
        BundleError: The folder is not a bundle yet (it needs `card.json` and `prompts/`).
    """
    bundle = load_bundle(bundle_path)
    recipe = recipe or RECIPES[role]
    start = bundle.adapters.get(role) if more else None
    before = bundle.card.training.get(role.value) if start else None
    if start:
        recipe = replace(recipe, seed=before["recipe"]["seed"] + 1 if before else 1)
    training, held_out = (stories, validation) if validation else split(stories)
    training_pairs, held_out_pairs = split_pairs(pairs)
    rows = story_rows(role, bundle, training, recipe, training_pairs)
    judged = story_rows(role, bundle, held_out, replace(recipe, seed=0), held_out_pairs)
    step = max(1, -(-len(judged) // VALIDATION_ROWS))
    record = train_expert(role, bundle, rows, judged[::step], work / f"{role}-{recipe.seed}", recipe, start=start)
    if before:
        record["before"] = before
    return record_training(bundle, role, record, data)
