"""Tokenised rows, padded into batches that request logits for the completions only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypedDict

from langchain_memlora.lab.training.rows import TextRow

if TYPE_CHECKING:
    from langchain_memlora.engines.transformers_tokens import TransformersTokens


class Example(TypedDict):
    """A tokenised row; the first `prompt_length` tokens are the prompt."""

    input_ids: list[int]
    prompt_length: int


def tokenize_row(row: TextRow, tokens: TransformersTokens) -> Example:
    """Tokenise a row as the engine renders it."""
    prompt = tokens.chat([(message["role"], message["content"]) for message in row["prompt"]])
    written = row["completion"][0]["content"] + tokens.tokenizer.eos_token
    ending = tokens.tokenizer(written, add_special_tokens=False)["input_ids"]
    return {"input_ids": [*prompt, *ending], "prompt_length": len(prompt)}


def collate(examples: Sequence[Example], *, pad_id: int) -> dict[str, Any]:
    """Pad on the left; request logits, and set labels, for the last positions only.

    Returns:
        `input_ids` and `attention_mask` of shape (batch, longest), `labels` of shape (batch, kept), and
        `logits_to_keep` = kept = longest completion + 1.
    """
    import torch

    longest = max(len(example["input_ids"]) for example in examples)
    kept = max(len(example["input_ids"]) - example["prompt_length"] for example in examples) + 1
    ids, mask, labels = [], [], []
    for example in examples:
        tokens = example["input_ids"]
        padding = longest - len(tokens)
        ids.append([pad_id] * padding + tokens)
        mask.append([0] * padding + [1] * len(tokens))
        completion = tokens[example["prompt_length"] :]
        labels.append([-100] * (kept - len(completion)) + completion)
    return {
        "input_ids": torch.tensor(ids),
        "attention_mask": torch.tensor(mask),
        "labels": torch.tensor(labels),
        "logits_to_keep": kept,
    }


def fitting(examples: Sequence[Example], limit: int) -> tuple[list[Example], int]:
    """Return the examples of up to `limit` tokens, and the number of longer ones."""
    kept = [example for example in examples if len(example["input_ids"]) <= limit]
    return kept, len(examples) - len(kept)
