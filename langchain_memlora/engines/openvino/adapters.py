"""Conversion of a bundle's LoRA adapters to the graph's inputs."""

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


def load_adapters(bundle: Bundle, shape: Shape, dtype: Type) -> dict[str | None, Factors]:
    """Read every adapter of a bundle, by role, and one of zeros under `None`.

    Args:
        dtype: Of the graph's inputs, float32 or bfloat16.

    Raises:
        BundleError: An adapter can't be read, or has features that only PEFT can run.
        BundleMismatchError: An adapter was made for a base model of another shape.
    """
    found: dict[str | None, Factors] = {None: _factors(PlainLoRA({}, alpha=1, root=False), shape, dtype)}
    for role, folder in bundle.adapters.items():
        adapter = read_plain_lora(role, folder)
        try:
            found[str(role)] = _factors(adapter, shape, dtype)
        except ValueError as error:
            msg = (
                f"The {role} adapter in {folder} does not fit a llama of hidden size {shape.hidden} and {shape.layers} "
                f"layers: {error}. Load the base it was trained on, {bundle.card.base.name}, or train it for this one."
            )
            raise BundleMismatchError(msg) from error
    return found


def _factors(adapter: PlainLoRA, shape: Shape, dtype: Type) -> Factors:
    unused = set(adapter.modules)
    factors: Factors = {}
    for layer in range(shape.layers):
        for fused, modules in shape.fused.items():
            pairs = [_pair(adapter, f"model.layers.{layer}.{module}", shape.size(module)) for module in modules]
            unused.difference_update(f"model.layers.{layer}.{module}" for module in modules)
            name = f"model.layers.{layer}.{fused}"
            factors[f"{name}.a"] = _tensor(_padded(np.concatenate([a for a, _ in pairs]), axis=0), dtype)
            factors[f"{name}.b"] = _tensor(_padded(_diagonal([b for _, b in pairs]), axis=1), dtype)
    if unused:
        msg = f"{len(unused)} of its modules do not exist there, {min(unused)} first"
        raise ValueError(msg)
    return factors


def _pair(adapter: PlainLoRA, module: str, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the factors of one module, the second scaled as in PEFT; of rank 0 if it has no adapter."""
    out, width = size
    pair = adapter.factors(module)
    if not pair:
        return np.zeros((0, width), np.float32), np.zeros((out, 0), np.float32)
    if len(pair) != 2 or pair[0].shape[1:] != (width,) or pair[1].shape != (out, pair[0].shape[0]):
        msg = f"factors of shapes {', '.join(str(factor.shape) for factor in pair)} for a matrix of {width} x {out}"
        raise ValueError(msg)
    return pair[0], pair[1] * np.float32(adapter.scale(pair[0].shape[0]))


def _diagonal(blocks: list[np.ndarray]) -> np.ndarray:
    """Return a block-diagonal matrix."""
    rows, columns = (np.cumsum([0] + [block.shape[axis] for block in blocks]) for axis in (0, 1))
    whole = np.zeros((rows[-1], columns[-1]), np.float32)
    for i, block in enumerate(blocks):
        whole[rows[i] : rows[i + 1], columns[i] : columns[i + 1]] = block
    return whole


def _tensor(factor: np.ndarray, dtype: Type) -> Tensor:
    if dtype == Type.f32:
        return Tensor(factor, shared_memory=False)
    made = Tensor(dtype, factor.shape)
    made.data.view(np.uint16)[...] = to_bfloat16(factor)  # numpy has no bfloat16, only its bits
    return made


def _padded(factor: np.ndarray, axis: int) -> np.ndarray:
    """Pad a factor of rank 0 to rank 1 with zeros: OpenVINO can't multiply empty matrices."""
    if factor.shape[axis]:
        return factor
    return np.zeros((1, factor.shape[1]) if axis == 0 else (factor.shape[0], 1), np.float32)
