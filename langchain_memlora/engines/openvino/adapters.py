"""Reads a bundle's LoRA adapters as the inputs that the graph takes for them."""

from __future__ import annotations

import numpy as np
from openvino import Tensor, Type

from langchain_memlora.bundles.bundle import Bundle
from langchain_memlora.engines.openvino.graph import Shape
from langchain_memlora.engines.plain_lora import PlainLoRA, read_plain_lora
from langchain_memlora.engines.tensors import to_bfloat16
from langchain_memlora.errors import BundleMismatchError

Factors = dict[str, Tensor]
"""The two factors of each fused projection's LoRA: `<projection>.a` is (rank, in), `<projection>.b` is (out, rank)."""


def load_adapters(bundle: Bundle, shape: Shape, kind: Type) -> dict[str | None, Factors]:
    """Read every adapter of a bundle, by role, and one that adds nothing, under `None`.

    Args:
        kind: What the graph takes, float32 or bfloat16.

    Raises:
        BundleError: An adapter can't be read, or has parts that only PEFT can run.
        BundleMismatchError: An adapter was made for a base model of another shape.
    """
    found: dict[str | None, Factors] = {None: _factors(PlainLoRA({}, alpha=1, root=False), shape, kind)}
    for role, folder in bundle.adapters.items():
        adapter = read_plain_lora(role, folder)
        try:
            found[str(role)] = _factors(adapter, shape, kind)
        except ValueError as error:
            msg = (
                f"The {role} adapter in {folder} does not fit a llama of hidden size {shape.hidden} and {shape.layers} "
                f"layers: {error}. Load the base it was trained on, {bundle.card.base.name}, or train it for this one."
            )
            raise BundleMismatchError(msg) from error
    return found


def _factors(adapter: PlainLoRA, shape: Shape, kind: Type) -> Factors:
    left = set(adapter.modules)
    factors: Factors = {}
    for layer in range(shape.layers):
        for fused, modules in shape.fused.items():
            pairs = [_pair(adapter, f"model.layers.{layer}.{module}", shape.size(module)) for module in modules]
            left.difference_update(f"model.layers.{layer}.{module}" for module in modules)
            name = f"model.layers.{layer}.{fused}"
            factors[f"{name}.a"] = _tensor(_padded(np.concatenate([a for a, _ in pairs]), axis=0), kind)
            factors[f"{name}.b"] = _tensor(_padded(_diagonal([b for _, b in pairs]), axis=1), kind)
    if left:
        msg = f"{len(left)} of its modules have no place there, {min(left)} first"
        raise ValueError(msg)
    return factors


def _pair(adapter: PlainLoRA, module: str, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The factors of one module with PEFT's scale in the second; of rank 0 where it has no adapter."""
    out, width = size
    pair = adapter.factors(module)
    if not pair:
        return np.zeros((0, width), np.float32), np.zeros((out, 0), np.float32)
    if len(pair) != 2 or pair[0].shape[1:] != (width,) or pair[1].shape != (out, pair[0].shape[0]):
        msg = f"factors of shapes {', '.join(str(factor.shape) for factor in pair)} for a matrix of {width} x {out}"
        raise ValueError(msg)
    return pair[0], pair[1] * np.float32(adapter.scale(pair[0].shape[0]))


def _diagonal(blocks: list[np.ndarray]) -> np.ndarray:
    """Matrices along the diagonal of one, zero elsewhere."""
    rows, columns = (np.cumsum([0] + [block.shape[axis] for block in blocks]) for axis in (0, 1))
    whole = np.zeros((rows[-1], columns[-1]), np.float32)
    for i, block in enumerate(blocks):
        whole[rows[i] : rows[i + 1], columns[i] : columns[i + 1]] = block
    return whole


def _tensor(factor: np.ndarray, kind: Type) -> Tensor:
    if kind == Type.f32:
        return Tensor(factor, shared_memory=False)
    made = Tensor(kind, factor.shape)
    made.data.view(np.uint16)[...] = to_bfloat16(factor)  # numpy has no bfloat16 and sees its bits
    return made


def _padded(factor: np.ndarray, axis: int) -> np.ndarray:
    """A factor of rank 0 as one of rank 1 that adds nothing: OpenVINO multiplies no empty matrices."""
    if factor.shape[axis]:
        return factor
    return np.zeros((1, factor.shape[1]) if axis == 0 else (factor.shape[0], 1), np.float32)
