"""Fused LoRA layers compute what PEFT's do."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model

from langchain_memlora.lab.training.fused_lora import fuse


def _model(dtype: torch.dtype = torch.float32, *, bias: bool = False, **options: Any) -> Any:
    torch.manual_seed(0)
    base = torch.nn.Sequential(torch.nn.Linear(12, 20, bias=bias), torch.nn.SiLU(), torch.nn.Linear(20, 6, bias=bias))
    config = LoraConfig(r=3, lora_alpha=7, target_modules=["0", "2"], init_lora_weights=False, **options)
    return get_peft_model(base.to(dtype), config)


def _run(model: Any, x: torch.Tensor) -> list[torch.Tensor]:
    out = model(x)
    out.float().square().sum().backward()
    return [out.float(), x.grad, *(p.grad for p in model.parameters() if p.requires_grad)]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 0.05)])
def test_same_outputs_and_gradients(dtype: torch.dtype, tolerance: float) -> None:
    x = torch.randn(2, 5, 12, generator=torch.Generator().manual_seed(1)).to(dtype)
    expected = _run(_model(dtype), x.clone().requires_grad_())
    model = _model(dtype)
    assert fuse(model) == 2
    found = _run(model, x.clone().requires_grad_())
    assert len(found) == len(expected) == 6
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype
        assert (one - other).abs().max() <= tolerance * other.abs().max()


@pytest.mark.parametrize("options", [{"bias": True}, {"lora_dropout": 0.1}, {"use_dora": True}, {"lora_bias": True}])
def test_other_layers_stay(options: dict[str, Any]) -> None:
    if options == {"lora_bias": True}:
        options = {"bias": True, "lora_bias": True}
    assert fuse(_model(**options)) == 0
