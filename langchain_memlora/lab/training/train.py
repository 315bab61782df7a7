"""Trains one expert: a LoRA adapter on a base model, by supervised fine-tuning on rows.

The loop is transformers' `Trainer`. Five changes make it several times faster on a CPU (docs/decisions/0003, 0010): the
collator pads on the left and requests logits for the completion only, LoRA weights are float32 but computed with in bfloat16
where the processor has units for it, attention is plain, LoRA layers are fused, and there is no dropout.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from langchain_memlora.bundles.bundle import Bundle
from langchain_memlora.bundles.roles import Role
from langchain_memlora.errors import InvalidInputError
from langchain_memlora.lab.training.batches import collate, fitting, tokenize_row
from langchain_memlora.lab.training.fact_texts import QUOTED
from langchain_memlora.lab.training.rows import TextRow
from langchain_memlora.models import resolve_base_model

ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
LANGUAGE_LAYERS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True, slots=True)
class Recipe:
    """Settings of a training. Rank and alpha are the paper's (arXiv 2512.04763, D.3), without its dropout.

    Attributes:
        targets: Names of the linear layers to adapt, or `all-linear`; on a vision-language model, those of its language tower.
        accumulation: Batches a step; long rows would not fit in memory at once.
        tokens: Tokens of a step, padding included, where rows are trees of messages; `batch` and `accumulation` are then 1.
        max_length: Longer rows are left out and counted, never cut.
        silence: Share of the extraction windows without a fact that are kept.
        contexts: Sizes of the contexts the reader is trained on, in tokens.
        insert: Share of the reader's questions without found evidence whose evidence is added to the context.
        quoted: Share of the texts in memory_update's rows that are quotations, for a bundle of the `spans` dialect.
        augment: Share of the training messages of which a changed copy is trained on (`lab/training/augment.py`).
        unrelated: Pairs of memory_update's rows that have nothing to do with each other, at most, for each pair that has.
        invocation: If given, the adapter works only from the last occurrence of this text (activated LoRA), so that the base
            could read the text before it once for all experts.
        bf16: Compute in bfloat16. Default: where the device has units for it; elsewhere float32 is faster.
        patience: Stop after this many evaluations without a better one.
    """

    targets: tuple[str, ...] | str = ATTENTION
    rank: int = 8
    alpha: int = 16
    dropout: float = 0.0
    learning_rate: float = 1e-3
    batch: int = 16
    accumulation: int = 1
    tokens: int = 0
    epochs: float = 1.0
    max_length: int = 1024
    evaluations: int = 3
    patience: int = 3
    seed: int = 0
    silence: float = 1.0
    contexts: tuple[int, ...] = (150, 250, 400)
    insert: float = 0.0
    quoted: float = QUOTED
    augment: float = 0.0
    unrelated: float = 1.0
    invocation: str = ""
    bf16: bool | None = None


RECIPES: dict[Role, Recipe] = {
    Role.EXTRACTION: Recipe(targets="all-linear", learning_rate=7e-4, batch=4, accumulation=4, epochs=2.5),
    Role.MEMORY_UPDATE: Recipe(),
    Role.GENERATION: Recipe(targets="all-linear", learning_rate=5e-4, batch=4, accumulation=2, epochs=2.0),
    Role.VISION: Recipe(targets=LANGUAGE_LAYERS, learning_rate=5e-4),
}


def train_expert(
    role: Role,
    bundle: Bundle,
    rows: Sequence[TextRow],
    validation: Sequence[TextRow],
    work: Path,
    recipe: Recipe | None = None,
    *,
    start: Path | None = None,
) -> dict[str, Any]:
    """Train a role's adapter and put it into the bundle's folder.

    A killed run continues from its last checkpoint when called again with the same `work` folder. The weights with the lowest
    validation loss are kept.

    Args:
        rows: Training rows.
        validation: Validation rows.
        work: Folder for checkpoints and the log of this run.
        recipe: Defaults to the role's own.
        start: Folder of an adapter to continue from; layers it lacks are initialised.

    Returns:
        The training record for the card: recipe, counts and losses. `seconds` counts from `resumed_at_step`.

    Raises:
        InvalidInputError: There are no rows.
    """
    from transformers import AutoConfig, AutoTokenizer

    from langchain_memlora.engines.loading import chat_tokens
    from langchain_memlora.engines.transformers_tokens import pad_id

    recipe = recipe or RECIPES[role]
    source = resolve_base_model(bundle.card.base.name).source
    tokenizer = AutoTokenizer.from_pretrained(source)
    tokens = chat_tokens(bundle, tokenizer, AutoConfig.from_pretrained(source))
    kept, dropped = fitting([tokenize_row(row, tokens) for row in rows], recipe.max_length)
    validating, _ = fitting([tokenize_row(row, tokens) for row in validation], recipe.max_length)
    if not kept or not validating:
        msg = f"No rows to train the {role} expert on ({len(kept)} rows, {len(validating)} validation rows). Pass more data."
        raise InvalidInputError(msg)
    print(f"{role}: {len(kept)} rows to train on ({dropped} too long), {len(validating)} to validate", file=sys.stderr)
    collator = partial(collate, pad_id=pad_id(tokenizer))
    invocation = tokenizer(recipe.invocation, add_special_tokens=False)["input_ids"]
    trainer, record = fit(load_student(source, recipe, start, invocation), kept, validating, collator, recipe, work)
    install(trainer.model, work, bundle.path / role)
    return {**record, "rows_too_long": dropped}


def fit(
    model: Any,
    rows: Sequence[Any],
    validation: Sequence[Any],
    collator: Callable[[Sequence[Any]], dict[str, Any]],
    recipe: Recipe,
    work: Path,
    optimizer: Callable[[Any], Any] | None = None,
    *,
    metric: str = "eval_loss",
    **options: Any,
) -> tuple[Any, dict[str, Any]]:
    """Fit a model to rows; a killed run continues from its last checkpoint when called again with the same `work` folder.

    Args:
        optimizer: Function from the model to an optimizer; default: AdamW by the recipe.
        metric: The measure by which the best weights are chosen: the loss, or one that is better the higher it is.
        options: More arguments of the `Trainer`.

    Returns:
        The `Trainer`, whose model has the best weights by `metric`, and the training record for the card.
    """
    import torch
    from peft.helpers import disable_input_dtype_casting
    from transformers import EarlyStoppingCallback, Trainer

    trainer = Trainer(
        model=model,
        args=_arguments(recipe, len(rows), work, metric, grouped=isinstance(rows[0], Mapping)),
        train_dataset=rows,
        eval_dataset=validation,
        data_collator=collator,
        optimizers=(optimizer(model) if optimizer else None, None),
        callbacks=[EarlyStoppingCallback(early_stopping_patience=recipe.patience)],
        **options,
    )
    begun = _begun(work)
    with disable_input_dtype_casting(model):  # else every LoRA layer goes to float32 and back
        result = trainer.train(resume_from_checkpoint=begun > 0)
    losses = [entry["eval_loss"] for entry in trainer.state.log_history if "eval_loss" in entry]
    (work / "log.json").write_text(json.dumps(trainer.state.log_history, indent=1))
    return trainer, {
        "recipe": {**asdict(recipe), "bf16": computes_in_bfloat16(recipe)},
        "rows": len(rows),
        "validation_rows": len(validation),
        "steps": result.global_step,
        "resumed_at_step": begun,
        "validation_loss": round(min(losses), 4) if losses else None,
        "seconds": round(result.metrics.get("train_runtime", 0.0)),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
    }


def _begun(work: Path) -> int:
    """Return the step of the last complete checkpoint, and remove one that was cut off when the run was killed."""
    steps = [0]
    for path in work.glob("checkpoint-*"):
        if (path / "trainer_state.json").exists():  # it is written last
            steps.append(int(path.name.split("-")[1]))
        else:
            shutil.rmtree(path)
    return max(steps)


def load_student(
    source: str, recipe: Recipe, start: Path | None, invocation: Sequence[int], attention: str | None = None
) -> Any:
    """Load the base model with a fresh adapter, or with one to continue from.

    Args:
        attention: Implementation in transformers; default: `sdpa` on a GPU, else `eager`.
    """
    import torch
    from peft import get_peft_model, set_peft_model_state_dict
    from safetensors.torch import load_file
    from transformers import AutoConfig

    from langchain_memlora.engines.loading import contiguous_head, model_class
    from langchain_memlora.lab.training.fused_lora import fuse

    torch.manual_seed(recipe.seed)
    attention = attention or ("sdpa" if torch.cuda.is_available() else "eager")
    config = AutoConfig.from_pretrained(source)
    dtype = torch.bfloat16 if computes_in_bfloat16(recipe) else torch.float32
    kind: Any = model_class(config)
    base = kind.from_pretrained(source, dtype=dtype, attn_implementation=attention)
    model = get_peft_model(contiguous_head(base), lora_config(recipe, config, invocation))
    if start:
        set_peft_model_state_dict(model, load_file(start / "adapter_model.safetensors"))
    if not torch.cuda.is_available():
        fuse(model)
    return model


def computes_in_bfloat16(recipe: Recipe) -> bool:
    """Return the recipe's choice; by default whether the device to train on has bfloat16 units."""
    import torch

    from langchain_memlora.engines.loading import pick_dtype

    if recipe.bf16 is not None:
        return recipe.bf16
    return pick_dtype("auto", torch.device("cuda" if torch.cuda.is_available() else "cpu")) is torch.bfloat16


def lora_config(recipe: Recipe, config: Any, invocation: Sequence[int] = ()) -> Any:
    """Return PEFT's configuration of an adapter; on a vision-language model, of its language tower only."""
    from peft import LoraConfig

    from langchain_memlora.engines.loading import is_vision_language
    from langchain_memlora.engines.vision_models import language_targets

    targets = recipe.targets if isinstance(recipe.targets, str) else list(recipe.targets)
    if is_vision_language(config):
        targets = language_targets(*(LANGUAGE_LAYERS if recipe.targets == "all-linear" else recipe.targets))
    return LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=recipe.dropout,
        target_modules=targets,
        task_type="CAUSAL_LM",
        alora_invocation_tokens=list(invocation) or None,
    )


def _arguments(recipe: Recipe, rows: int, work: Path, metric: str, *, grouped: bool) -> Any:
    """Return the Trainer's settings.

    Args:
        grouped: Rows are token ids; batch those of similar length together.
    """
    import torch
    from transformers import TrainingArguments

    cuda = torch.cuda.is_available()
    steps = max(1, int(rows * recipe.epochs / (recipe.batch * recipe.accumulation)))
    every = max(1, steps // recipe.evaluations)
    return TrainingArguments(
        output_dir=str(work),
        remove_unused_columns=False,
        per_device_train_batch_size=recipe.batch,
        per_device_eval_batch_size=recipe.batch,
        gradient_accumulation_steps=recipe.accumulation,
        num_train_epochs=recipe.epochs,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=max(1, steps // 20),
        weight_decay=0.01,
        train_sampling_strategy="group_by_length" if grouped else "random",
        gradient_checkpointing=cuda,
        bf16=computes_in_bfloat16(recipe),
        use_cpu=not cuda,
        eval_strategy="steps",
        save_strategy="steps",
        eval_steps=every,
        save_steps=every,
        save_total_limit=2,
        load_best_model_at_end=True,
        metric_for_best_model=metric,
        greater_is_better=metric != "eval_loss",
        logging_steps=5,
        report_to="none",
        seed=recipe.seed,
        data_seed=recipe.seed,
    )


def install(model: Any, work: Path, target: Path) -> None:
    """Save an adapter in bfloat16 (half the size), move it into the bundle in one step, and remove the checkpoints."""
    import torch

    draft = work / "adapter"
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.to(torch.bfloat16)
    model.save_pretrained(draft)
    (draft / "README.md").unlink(missing_ok=True)
    config = json.loads((draft / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = None
    if isinstance(config["target_modules"], list):
        config["target_modules"].sort()  # PEFT keeps a set
    (draft / "adapter_config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    shutil.rmtree(target, ignore_errors=True)
    shutil.move(draft, target)
    for checkpoint in work.glob("checkpoint-*"):  # else another run in this folder would count as finished
        shutil.rmtree(checkpoint)
