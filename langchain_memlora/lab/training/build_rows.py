"""Trains an expert on rows and puts it into a bundle, in one call: `memlora train --rows` runs it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from langchain_memlora.bundles.bundle import Bundle, load_bundle
from langchain_memlora.bundles.roles import Role
from langchain_memlora.lab.training.bundling import record_training
from langchain_memlora.lab.training.row_files import load_rows, split_rows
from langchain_memlora.lab.training.train import RECIPES, Recipe, train_expert
from langchain_memlora.lab.training.vision import train_vision_expert
from langchain_memlora.lab.training.vision_rows import load_vision_rows, split_vision_rows


def build_from_rows(
    role: Role,
    bundle_path: Path,
    files: Sequence[Path],
    work: Path,
    recipe: Recipe | None = None,
    *,
    data: Sequence[str] = (),
) -> Bundle:
    """Train a role on rows from files, put the adapter into the bundle and the record on its card.

    Args:
        files: JSON lines of rows; every twelfth group (for a vision expert, every twelfth picture) is for validation.
        data: Descriptions of the rows, for the card; default: the names of the files.

    Returns:
        The bundle, loaded again with its new expert.

    Raises:
        InvalidInputError: A line is not a row, or there are none.
        BundleError: The folder is not a bundle yet; `bundling.start_bundle` makes one.
    """
    bundle = load_bundle(bundle_path)
    recipe = recipe or RECIPES[role]
    folder = work / f"{role}-{recipe.seed}"
    if role is Role.VISION:
        record = train_vision_expert(bundle, *split_vision_rows(load_vision_rows(*files)), folder, recipe)
    else:
        record = train_expert(role, bundle, *split_rows(load_rows(*files)), folder, recipe)
    return record_training(bundle, role, record, data or [path.name for path in files])
