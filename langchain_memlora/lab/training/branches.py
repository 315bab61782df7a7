"""Trains the extraction expert to choose sentences: a message is a tree, with a branch for each of its sentences.

The prompts of a message's sentences share their beginning, which is computed once; a mask lets each branch read the beginning
and itself, and its positions continue those of the beginning. The probabilities are those of separate rows, for less than half
the tokens. The loss is over the seven labels at the end of each branch.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_memlora.bundles.bundle import Bundle, ChoiceSpec
from langchain_memlora.bundles.roles import Role
from langchain_memlora.errors import InvalidInputError
from langchain_memlora.experts.sentence_prompt import LABELS
from langchain_memlora.lab.training.base_check import check_labels
from langchain_memlora.lab.training.choice_scores import calibrate, measure
from langchain_memlora.lab.training.choices import ChoiceRow
from langchain_memlora.lab.training.train import Recipe, computes_in_bfloat16, fit, install, load_student
from langchain_memlora.models import resolve_base_model

if TYPE_CHECKING:
    from langchain_memlora.engines.transformers_tokens import TransformersTokens

CHOICE_RECIPE = Recipe(
    targets="all-linear",
    learning_rate=7e-4,
    batch=1,
    tokens=2400,
    epochs=2.0,
    max_length=1500,
    evaluations=12,
    patience=6,
)
_NOISE = 30
"""Tokens added to sizes at random, at most, before trees are sorted: another seed makes other batches."""
_PADDING, _TRUNK = -2, -1
_IGNORED = -100


@dataclass(frozen=True, slots=True)
class Tree:
    """A tokenised message: the ids that the prompts of its sentences share, the rest of each, and the number of its label."""

    trunk: tuple[int, ...]
    branches: tuple[tuple[int, ...], ...]
    labels: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.trunk) + sum(map(len, self.branches))


def as_tree(row: ChoiceRow, tokens: TransformersTokens) -> Tree:
    """Tokenise a row as the engine renders it; every branch has at least one token."""
    prompts = [tokens.chat([("user", prompt)]) for prompt in row.prompts]
    shared = 0
    while shared < min(map(len, prompts)) - 1 and len({ids[shared] for ids in prompts}) == 1:
        shared += 1
    branches = tuple(tuple(ids[shared:]) for ids in prompts)
    return Tree(tuple(prompts[0][:shared]), branches, tuple(map(LABELS.index, row.labels)))


def batches(trees: Sequence[Tree], budget: int, seed: int | None = None) -> list[list[Tree]]:
    """Group trees of similar size so that each batch, padded, has up to `budget` tokens; a larger tree has a batch of its own.

    Args:
        seed: Random seed of groups that differ a little in size; `None` sorts strictly.
    """
    noise = random.Random(seed).random if seed is not None else float
    made: list[list[Tree]] = []
    longest = 0
    for _, tree in sorted(((len(tree) + _NOISE * noise(), tree) for tree in trees), key=lambda sized: sized[0]):
        longest = max(longest, len(tree))
        if made and longest * (len(made[-1]) + 1) <= budget:
            made[-1].append(tree)
        else:
            made.append([tree])
            longest = len(tree)
    return made


def collate_trees(trees: Sequence[Tree], *, pad_id: int, dtype: Any) -> dict[str, Any]:
    """Put each tree into one row, the last tokens of its branches at the end, so that logits are requested for these only.

    Returns:
        `input_ids` and `position_ids` of shape (trees, longest), `attention_mask` of shape (trees, 1, longest, longest), to add
        to scores, `labels` of shape (trees, most branches), and `logits_to_keep` = most branches.
    """
    import torch

    longest, kept = max(map(len, trees)), max(len(tree.branches) for tree in trees)
    ids: list[tuple[int, ...]] = []
    positions: list[tuple[int, ...]] = []
    owners: list[tuple[int, ...]] = []
    labels: list[list[int]] = []
    for tree in trees:
        start = len(tree.trunk)
        cells = [(_PADDING, 0, pad_id)] * (longest - len(tree))
        cells += [(_TRUNK, place, token) for place, token in enumerate(tree.trunk)]
        ends = []
        for number, branch in enumerate(tree.branches):
            *body, end = ((number, place, token) for place, token in enumerate(branch, start))
            cells += body
            ends.append(end)
        for column, values in zip((owners, positions, ids), zip(*cells, *ends, strict=True), strict=True):
            column.append(values)
        labels.append([_IGNORED] * (kept - len(tree.labels)) + list(tree.labels))
    place, owner = torch.tensor(positions), torch.tensor(owners)
    keys, queries = owner[:, None, :], owner[:, :, None]
    reads = ((keys == _TRUNK) | (keys == queries)) & (place[:, None, :] <= place[:, :, None])
    mask = torch.zeros(reads.shape, dtype=dtype).masked_fill(~reads, torch.finfo(dtype).min)
    return {
        "input_ids": torch.tensor(ids),
        "position_ids": place,
        "attention_mask": mask[:, None],
        "labels": torch.tensor(labels),
        "logits_to_keep": kept,
        "use_cache": False,
    }


def label_ids(tokens: TransformersTokens) -> list[int]:
    """Return the first token of each label.

    Raises:
        BundleError: Two labels begin with the same token.
    """
    check_labels(tokens.tokenizer, LABELS)
    return [tokens.plain(label)[0] for label in LABELS]


def train_choices(
    bundle: Bundle,
    rows: Sequence[ChoiceRow],
    validation: Sequence[ChoiceRow],
    work: Path,
    recipe: Recipe | None = None,
    *,
    start: Path | None = None,
) -> tuple[dict[str, Any], ChoiceSpec]:
    """Train a bundle's extraction adapter to choose sentences, and put it into the bundle's folder.

    A killed run continues from its last checkpoint when called again with the same `work` folder. The weights with the highest
    product of the two AUCs (does it state something, does it need what is before it) are kept: the loss rewards confidence.

    Args:
        rows: Training rows.
        validation: Validation rows; the thresholds are calibrated on them.
        work: Folder for checkpoints and the log of this run.
        recipe: Default: `CHOICE_RECIPE`.
        start: Folder of an adapter to continue from; layers it lacks are initialised.

    Returns:
        The training record for the card, as from `train_expert`, with the measures on the validation rows; and the thresholds.

    Raises:
        InvalidInputError: There are no rows.
        BundleError: The base model's tokenizer can't tell the labels apart.
    """
    import torch
    from transformers import AutoConfig, AutoTokenizer

    from langchain_memlora.engines.loading import chat_tokens

    recipe = replace(recipe or CHOICE_RECIPE, batch=1, accumulation=1)
    source = resolve_base_model(bundle.card.base.name).source
    tokenizer, config = AutoTokenizer.from_pretrained(source), AutoConfig.from_pretrained(source)
    tokens = chat_tokens(bundle, tokenizer, config)
    firsts = label_ids(tokens)
    kept, validating = (_fitting(given, tokens, recipe.max_length) for given in (rows, validation))
    if not kept or not validating:
        msg = f"No messages to train the extraction expert on ({len(kept)}, {len(validating)} to validate). Pass more data."
        raise InvalidInputError(msg)
    sentences, dropped = sum(len(tree.branches) for tree in kept), len(rows) - len(kept)
    counts = f"{len(kept)} messages with {sentences} sentences to train on ({dropped} too long)"
    print(f"extraction: {counts}, {len(validating)} to validate", file=sys.stderr)
    dtype = torch.bfloat16 if computes_in_bfloat16(recipe) else torch.float32

    def collate(items: Sequence[Sequence[Tree]]) -> dict[str, Any]:
        return collate_trees(items[0], pad_id=tokens.pad, dtype=dtype)

    invocation = tokenizer(recipe.invocation, add_special_tokens=False)["input_ids"]
    judged = batches(validating, recipe.tokens)
    trainer, record = fit(
        load_student(source, recipe, start, invocation, attention=pick_attention(config)),
        batches(kept, recipe.tokens, recipe.seed),
        judged,
        collate,
        recipe,
        work,
        metric="eval_auc",
        compute_loss_func=_loss(firsts),
        preprocess_logits_for_metrics=lambda logits, labels: _of_labels(logits, firsts).softmax(-1),
        compute_metrics=lambda found: measure(found.predictions, found.label_ids),
    )
    answers = trainer.predict(judged)
    install(trainer.model, work, bundle.path / Role.EXTRACTION)
    return {
        **record,
        "rows": len(kept),
        "rows_too_long": dropped,
        "sentences": sentences,
        "validation_rows": len(validating),
        "validation": measure(answers.predictions, answers.label_ids),
    }, calibrate(answers.predictions, answers.label_ids, bundle.card.choice)


def _fitting(rows: Iterable[ChoiceRow], tokens: TransformersTokens, limit: int) -> list[Tree]:
    return [tree for tree in (as_tree(row, tokens) for row in rows) if len(tree) <= limit]


def pick_attention(config: Any) -> str:
    """Return `sdpa`, or `eager` for a model whose attention scores are capped, which sdpa can't."""
    return "eager" if getattr(config.get_text_config(), "attn_logit_softcapping", None) else "sdpa"


def _of_labels(logits: Any, firsts: Sequence[int]) -> Any:
    return logits[..., list(firsts)].float()


def _loss(firsts: Sequence[int]) -> Callable[..., Any]:
    def loss(outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
        from torch.nn.functional import cross_entropy

        return cross_entropy(_of_labels(outputs.logits, firsts).flatten(0, 1), labels.flatten(), ignore_index=_IGNORED)

    return loss
