"""Trains a vision expert: a LoRA adapter on the language tower of a vision-language model, on questions and answers.

Rows, collator and trained layers are its own; checkpoints, evaluation and installation are those of the other experts. The
prompt is made by the functions that make it at run time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from langchain_memlora.bundles.bundle import Bundle
from langchain_memlora.bundles.roles import Role
from langchain_memlora.engines.base import Request
from langchain_memlora.errors import InvalidInputError
from langchain_memlora.experts.dialects import DIALECTS
from langchain_memlora.experts.prompts import render
from langchain_memlora.lab.training.train import RECIPES, Recipe, fit, install, lora_config
from langchain_memlora.lab.training.vision_rows import VisionRow
from langchain_memlora.models import resolve_base_model


def train_vision_expert(
    bundle: Bundle,
    rows: Sequence[VisionRow],
    validation: Sequence[VisionRow],
    work: Path,
    recipe: Recipe | None = None,
    optimizer: Callable[[Any], Any] | None = None,
) -> dict[str, Any]:
    """Train a bundle's vision expert and put it into the bundle's folder; a killed run continues when called again.

    Args:
        recipe: Defaults to the role's own.
        optimizer: Function from the model to an optimizer; default: AdamW by the recipe.

    Returns:
        The training record for the card, as from `train_expert`.

    Raises:
        InvalidInputError: There are no rows, or the base model has no vision.
        ModelError: The base model's processor can't be read.
    """
    import torch
    from peft import get_peft_model
    from transformers import AutoModelForImageTextToText

    from langchain_memlora.engines.vision_models import VisionProcessor

    if not rows or not validation:
        msg = (
            f"No rows to train the vision expert on ({len(rows)} rows, {len(validation)} to validate). Pass more data."
        )
        raise InvalidInputError(msg)
    recipe = recipe or RECIPES[Role.VISION]
    source = resolve_base_model(bundle.card.base.name).source
    check_sight(bundle.card.base.name)
    torch.manual_seed(recipe.seed)
    base = AutoModelForImageTextToText.from_pretrained(source, dtype=torch.float32)
    seeing = VisionProcessor(source, None)
    invocation = seeing.processor.tokenizer(recipe.invocation, add_special_tokens=False)["input_ids"]
    model = get_peft_model(base, lora_config(recipe, base.config, invocation))
    collator = partial(collate, bundle=bundle, seeing=seeing)
    trainer, record = fit(model, rows, validation, collator, recipe, work, optimizer)
    install(trainer.model, work, bundle.path / Role.VISION)
    return record


def check_sight(base: str) -> None:
    """Check that a base model is a vision-language model.

    Raises:
        InvalidInputError: It is not.
        ModelNotFoundError: There is no such base model.
    """
    from transformers import AutoConfig

    from langchain_memlora.engines.loading import is_vision_language

    if not is_vision_language(AutoConfig.from_pretrained(resolve_base_model(base).source)):
        msg = f"The base model {base} has no vision. Create the bundle with --base and a vision-language model."
        raise InvalidInputError(msg)


def collate(rows: Sequence[VisionRow], *, bundle: Bundle, seeing: Any) -> dict[str, Any]:
    """Make a batch: the engine's input for the model, followed by the answers.

    Returns:
        The processor's tensors (padded on the left), `labels` of shape (batch, kept) and `logits_to_keep` = kept = longest
        answer + 1.
    """
    import torch

    tokenizer = seeing.processor.tokenizer
    dialect = DIALECTS[bundle.card.dialect]()
    endings = [dialect.write_vision(row.answer, row.reason) + tokenizer.eos_token for row in rows]
    requests = [
        Request(Role.VISION, render(bundle, Role.VISION, question=r.question, context=""), images=(r.image,))
        for r in rows
    ]
    inputs = seeing.inputs(requests, endings)
    answers = [tokenizer(ending, add_special_tokens=False)["input_ids"] for ending in endings]
    kept = max(map(len, answers)) + 1
    labels = [[-100] * (kept - len(answer)) + answer for answer in answers]
    return {**inputs, "labels": torch.tensor(labels), "logits_to_keep": kept}
