"""A LoRA layer whose products write into each other, for training on a CPU.

PEFT computes the layer, the adapter, its scaling and their sum one after the other. With a rank of 8 the sums and scalings of
full-sized outputs take longer than the adapter's products: a training step takes half the time without them.
"""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch


class _FusedLora(torch.autograd.Function):
    """Computes `x @ W.T + s * x @ A.T @ B.T` and its gradients for x, A and B; the base's W has none."""

    @staticmethod
    def forward(ctx: Any, x: Any, weight: Any, lora_a: Any, lora_b: Any, scaling: float) -> Any:
        rows = x.reshape(-1, x.shape[-1])
        down, up = lora_a.to(x.dtype), (lora_b * scaling).to(x.dtype)
        hidden = rows @ down.T
        ctx.save_for_backward(rows, weight, down, up, hidden)
        ctx.scaling, ctx.shape, ctx.dtype = scaling, x.shape, lora_a.dtype
        return (rows @ weight.T).addmm_(hidden, up.T).view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        rows, weight, down, up, hidden = ctx.saved_tensors
        gradient = gradients[0].reshape(-1, gradients[0].shape[-1])
        inner = gradient @ up
        for_x = (gradient @ weight).addmm_(inner, down).view(ctx.shape) if ctx.needs_input_grad[0] else None
        for_a = (inner.T @ rows).to(ctx.dtype)
        for_b = (gradient.T @ hidden).to(ctx.dtype) * ctx.scaling
        return for_x, None, for_a, for_b, None


def fuse(model: Any) -> int:
    """Compute a PEFT model's plain LoRA layers in one function each; return their number.

    Layers that do more keep PEFT's computation: with dropout, a bias, DoRA, activated LoRA, or several adapters.

    Example:
        ```python
        import torch
        from peft import LoraConfig, get_peft_model
        from langchain_memlora.lab.training.fused_lora import fuse

        base = torch.nn.Sequential(torch.nn.Linear(4, 4, bias=False))
        assert fuse(get_peft_model(base, LoraConfig(r=2, target_modules=["0"]))) == 1
        ```
    """
    from peft.tuners.lora import Linear

    plain: list[Any] = [layer for layer in model.modules() if type(layer) is Linear and _is_plain(layer)]
    for layer in plain:
        layer.forward = MethodType(_forward, layer)
    return len(plain)


def _is_plain(layer: Any) -> bool:
    base = layer.base_layer
    return (
        type(base) is torch.nn.Linear
        and base.bias is None
        and len(layer.lora_A) == 1
        and not layer.lora_variant
        and not layer.lora_bias.get(layer.active_adapters[0], False)
        and all(isinstance(dropout, torch.nn.Identity) for dropout in layer.lora_dropout.values())
    )


def _forward(layer: Any, x: Any, *_: Any, **__: Any) -> Any:
    name = layer.active_adapters[0]
    adapter = (layer.lora_A[name].weight, layer.lora_B[name].weight, layer.scaling[name])
    return _FusedLora.apply(x, layer.base_layer.weight, *adapter)
