"""An optimizer for small transformers trained from scratch: Muon for their matrices, AdamW for the rest.

With AdamW alone, relating questions to pictures took several times as many steps.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class MuonWithAdamW(torch.optim.Optimizer):
    """Muon (as PyTorch has it, in AdamW's units) for the matrices of the layers; AdamW for embeddings, biases and norms.

    Args:
        model: The model to train.
        learning_rate: Muon's; AdamW gets half.
    """

    def __init__(self, model: nn.Module, learning_rate: float) -> None:
        learned = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
        matrices = [parameter for name, parameter in learned if ".layers." in name and parameter.ndim == 2]
        others = [parameter for name, parameter in learned if ".layers." not in name or parameter.ndim != 2]
        self._parts: list[torch.optim.Optimizer] = [
            torch.optim.Muon(matrices, lr=learning_rate, weight_decay=0.01, adjust_lr_fn="match_rms_adamw")
        ]
        if others:  # a LoRA adapter has none
            self._parts.append(torch.optim.AdamW(others, lr=learning_rate / 2, betas=(0.9, 0.98)))
        super().__init__([group for part in self._parts for group in part.param_groups], {})

    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update the parameters once."""
        for part in self._parts:
            part.step()

    def state_dict(self) -> dict[str, Any]:
        """Return the state of both."""
        return {"parts": [part.state_dict() for part in self._parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a state of both."""
        for part, state in zip(self._parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
        self.param_groups = [group for part in self._parts for group in part.param_groups]  # loading made new ones
