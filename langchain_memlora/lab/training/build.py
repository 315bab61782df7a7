"""Trains an expert on stories or labelled messages and puts it into a bundle, in one call: `memlora train` runs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from langchain_memlora.bundles.bundle import Bundle, load_bundle
from langchain_memlora.bundles.roles import Role
from langchain_memlora.errors import InvalidInputError
from langchain_memlora.lab.training.augment import augmented
from langchain_memlora.lab.training.branches import CHOICE_RECIPE, train_choices
from langchain_memlora.lab.training.bundling import record_training
from langchain_memlora.lab.training.choices import choice_rows
from langchain_memlora.lab.training.held_out import hold_out
from langchain_memlora.lab.training.messages import LabelledMessage, split_messages
from langchain_memlora.lab.training.pairs import Pair, pair_rows, split_pairs
from langchain_memlora.lab.training.rows import (
    RELATED_TWICE,
    TextRow,
    balanced,
    extraction_rows,
    story_sessions,
    update_rows,
)
from langchain_memlora.lab.training.stories import Story
from langchain_memlora.lab.training.train import RECIPES, Recipe, train_expert

VALIDATION_ROWS = 64


def split(stories: Sequence[Story]) -> tuple[list[Story], list[Story]]:
    """Split stories into training and validation stories: by their `validation` mark, or `hold_out` where none has it."""
    marked = [story for story in stories if story.validation]
    return ([story for story in stories if not story.validation], marked) if marked else hold_out(stories)


def story_rows(
    role: Role, bundle: Bundle, stories: Sequence[Story], recipe: Recipe | None = None, pairs: Sequence[Pair] = ()
) -> list[TextRow]:
    """Return the rows of a role. For extraction every session is cut in two ways; another seed cuts differently.

    Args:
        pairs: More data for memory_update. Like the related pairs of stories, they are shown twice: they are few and hard.
    """
    recipe = recipe or RECIPES.get(role, Recipe())
    seed = recipe.seed
    match role:
        case Role.EXTRACTION:
            sessions = story_sessions(stories)
            seeds = (2 * seed, 2 * seed + 1)
            return [row for s in seeds for row in extraction_rows(bundle, sessions, silence=recipe.silence, seed=s)]
        case Role.MEMORY_UPDATE:
            from_stories = update_rows(bundle, stories, quoted=recipe.quoted, seed=seed)
            rows = [*from_stories, *pair_rows(bundle, pairs) * RELATED_TWICE]
            return balanced(rows, recipe.unrelated, seed)
        case Role.GENERATION:
            from langchain_memlora.lab.training.reading import generation_rows

            budgets, insert, quoted = recipe.contexts, recipe.insert, recipe.quoted
            return generation_rows(bundle, stories, budgets=budgets, insert=insert, quoted=quoted, seed=seed)
    msg = f"Stories have no rows for the {role} expert. Choose extraction, memory_update or generation."
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
        validation: Validation stories. Default: those that `split` takes from `stories`.
        pairs: More data for memory_update; every twelfth is for validation.
        data: Descriptions of the stories, for the card.
        more: Continue from the existing adapter, on freshly sampled rows; the card keeps both records.

    Returns:
        The bundle, loaded again with its new expert.

    Raises:
        InvalidInputError: The stories have no rows for this role.
        BundleError: The folder is not a bundle yet (it needs `card.json` and `prompts/`).
    """
    bundle = load_bundle(bundle_path)
    recipe, start, before = _continued(bundle, role, recipe or RECIPES[role], more=more)
    training, held_out = (stories, validation) if validation else split(stories)
    training_pairs, held_out_pairs = split_pairs(pairs)
    rows = story_rows(role, bundle, training, recipe, training_pairs)
    validation_rows = story_rows(role, bundle, held_out, replace(recipe, seed=0), held_out_pairs)
    step = max(1, -(-len(validation_rows) // VALIDATION_ROWS))
    folder = work / f"{role}-{recipe.seed}"
    record = train_expert(role, bundle, rows, validation_rows[::step], folder, recipe, start=start)
    if before:
        record["before"] = before
    return record_training(bundle, role, record, data)


def build_choice_expert(
    bundle_path: Path,
    messages: Sequence[LabelledMessage],
    work: Path,
    recipe: Recipe | None = None,
    *,
    validation: Sequence[LabelledMessage] = (),
    data: Sequence[str] = (),
    more: bool = False,
) -> Bundle:
    """Train the extraction expert of a `spans` bundle on labelled messages; adapter, record and thresholds go into the bundle.

    Args:
        validation: Validation messages. Default: those that `split_messages` takes from `messages`.
        data: Descriptions of the messages, for the card.
        more: Continue from the existing adapter, in another order; the card keeps both records.

    Returns:
        The bundle, loaded again with its new expert.

    Raises:
        InvalidInputError: There are no messages to train on, or none to validate with.
        BundleError: The folder is not a bundle yet, or its base model can't tell the labels apart.
    """
    role = Role.EXTRACTION
    bundle = load_bundle(bundle_path)
    recipe, start, before = _continued(bundle, role, recipe or CHOICE_RECIPE, more=more)
    training, held_out = (messages, validation) if validation else split_messages(messages)
    rows = choice_rows(bundle, augmented(training, recipe.augment, recipe.seed), seed=recipe.seed)
    folder = work / f"{role}-{recipe.seed}"
    record, choice = train_choices(bundle, rows, choice_rows(bundle, held_out, named=0), folder, recipe, start=start)
    if before:
        record["before"] = before
    return record_training(bundle, role, record, data, choice)


def _continued(
    bundle: Bundle, role: Role, recipe: Recipe, *, more: bool
) -> tuple[Recipe, Path | None, dict[str, Any] | None]:
    """Return the recipe, the adapter to continue from, and its record; with another seed if there is one."""
    start = bundle.adapters.get(role) if more else None
    before = bundle.card.training.get(role.value) if start else None
    if start:
        recipe = replace(recipe, seed=before["recipe"]["seed"] + 1 if before else 1)
    return recipe, start, before
