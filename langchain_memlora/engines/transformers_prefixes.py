"""Scoring with transformers of prompts that begin alike: a common beginning is computed once."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from peft import PeftModel
from transformers import PreTrainedConfig

from langchain_memlora.engines.prefixes import Branching

ARCHITECTURES = frozenset(
    "llama mistral qwen2 qwen3 gemma gemma2 gemma3_text smollm3 idefics3 smolvlm internvl".split()
)
"""Models that attend by mask and position alone, each tested. Recurrent ones, for instance, would mix the prompts."""


def longest_shared(config: PreTrainedConfig) -> int:
    """Return the length up to which a model's prompts can be laid out as a tree; 0 if it can't compute trees.

    Longer prompts would need masks that differ between its layers, because some attend to a window only.
    """
    text = config.get_text_config()
    # Other implementations of attention take no mask of their caller.
    masked = text._attn_implementation in {"eager", "sdpa"}
    if not masked or not {config.model_type, text.model_type} <= ARCHITECTURES:
        return 0
    return getattr(text, "sliding_window", None) or sys.maxsize


def last_logits(model: Any, batch: Sequence[Branching], pad: int) -> torch.Tensor:
    """Return the logits after each prompt of a batch of trees, as (prompts, vocabulary).

    Args:
        model: A causal language model or a `PeftModel` of one, of an architecture with `longest_shared`.
        pad: Token id to pad with.
    """
    base: Any = model.get_base_model() if isinstance(model, PeftModel) else model
    longest = max(len(tree.ids) for tree in batch)
    ids = np.full((len(batch), longest), pad)
    positions = np.zeros_like(ids)
    visible = np.tile(np.eye(longest, dtype=bool), (len(batch), 1, 1))  # padding, too, must attend to something
    for row, tree in enumerate(batch):
        length = len(tree.ids)
        ids[row, :length], positions[row, :length] = tree.ids, tree.positions
        visible[row, :length, :length] = tree.visible()
    mask = torch.zeros(visible.shape, dtype=base.dtype, device=base.device)
    mask.masked_fill_(torch.from_numpy(~visible).to(base.device), torch.finfo(base.dtype).min)
    hidden = base.get_decoder()(
        input_ids=torch.from_numpy(ids).to(base.device),
        attention_mask=mask[:, None],
        position_ids=torch.from_numpy(positions).to(base.device),
        use_cache=False,
    ).last_hidden_state
    rows = [row for row, tree in enumerate(batch) for _ in tree.last]
    places = [place for tree in batch for place in tree.last]
    logits: torch.Tensor = base.get_output_embeddings()(hidden[rows, places])
    cap = getattr(base.config.get_text_config(), "final_logit_softcapping", None)  # of Gemma, outside its output layer
    return (logits / cap).tanh() * cap if cap else logits
