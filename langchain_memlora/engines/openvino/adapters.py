"""Reads a bundle's LoRA adapters as the inputs that the graph takes for them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from langchain_memlora.engines.openvino.graph import Shape
from langchain_memlora.engines.tensors import TensorFiles
from langchain_memlora.errors import BundleError, BundleMismatchError
from langchain_memlora.experts.bundle import Bundle

Factors = dict[str, np.ndarray]
"""The two factors of each fused projection's LoRA: `<projection>.a` is (rank, in), `<projection>.b` is (out, rank)."""

_UNSUPPORTED = ("use_dora", "lora_bias", "use_qalora", "modules_to_save", "alpha_pattern", "alora_invocation_tokens")


def load_adapters(bundle: Bundle, shape: Shape) -> dict[str, Factors]:
    """Read every adapter of a bundle, by role.

    Raises:
        BundleError: An adapter can't be read, or has parts that only PEFT can run.
        BundleMismatchError: An adapter was made for a base model of another shape.
    """
    found = {}
    for role, folder in bundle.adapters.items():
        alpha, root = check_plain(role, folder)
        try:
            found[str(role)] = _factors(_tensors(role, folder), shape, alpha, root=root)
        except ValueError as error:
            msg = (
                f"The {role} adapter in {folder} does not fit a llama of hidden size {shape.hidden} and {shape.layers} "
                f"layers: {error}. Load the base it was trained on, {bundle.card.base.name}, or train it for this one."
            )
            raise BundleMismatchError(msg) from error
    return found


def no_adapter(shape: Shape) -> Factors:
    """Factors of rank 1 that add nothing."""
    return _factors({}, shape, alpha=1, root=False)


def check_plain(role: str, folder: Path) -> tuple[float, bool]:
    """Check that an adapter is plain LoRA; gives its alpha and whether that is divided by the root of the rank.

    Raises:
        BundleError: Its configuration can't be read, or has parts that only PEFT can run.
    """
    try:
        config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
        if config["peft_type"] != "LORA":
            msg = f"peft_type is {config['peft_type']!r}"
            raise ValueError(msg)
        alpha = float(config["lora_alpha"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _unreadable(role, folder, error) from error
    if odd := [name for name in _UNSUPPORTED if config.get(name)]:
        msg = f"The {role} adapter in {folder} has {', '.join(odd)}, which OpenVINOEngine can't run. Use TransformersEngine."
        raise BundleError(msg)
    return alpha, bool(config.get("use_rslora"))


def _tensors(role: str, folder: Path) -> TensorFiles:
    try:
        return TensorFiles(folder / "adapter_model.safetensors")
    except (OSError, ValueError) as error:
        raise _unreadable(role, folder, error) from error


def _unreadable(role: str, folder: Path, error: Exception) -> BundleError:
    return BundleError(
        f"The {role} adapter in {folder} can't be read ({error!s:.300}). Restore it from where the bundle came."
    )


def _factors(tensors: Mapping[str, np.ndarray], shape: Shape, alpha: float, *, root: bool) -> Factors:
    left = set(tensors)
    factors: Factors = {}
    for layer in range(shape.layers):
        for fused, modules in shape.fused.items():
            pairs = []
            for module in modules:
                names = [f"base_model.model.model.layers.{layer}.{module}.lora_{factor}.weight" for factor in "AB"]
                pair = [tensors[name] for name in names if name in left]
                left.difference_update(names)
                pairs.append(_scaled(pair, shape.size(module), alpha, root=root))
            name = f"model.layers.{layer}.{fused}"
            factors[f"{name}.a"] = _padded(np.concatenate([a for a, _ in pairs]), axis=0)
            factors[f"{name}.b"] = _padded(_diagonal([b for _, b in pairs]), axis=1)
    if left:
        msg = f"{len(left)} of its weights have no place there, {min(left)} first"
        raise ValueError(msg)
    return factors


def _scaled(
    pair: list[np.ndarray], size: tuple[int, int], alpha: float, *, root: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The factors of one module with PEFT's scale in the second; of rank 0 where it has no adapter."""
    out, width = size
    if not pair:
        return np.zeros((0, width), np.float32), np.zeros((out, 0), np.float32)
    if len(pair) != 2 or pair[0].shape[1:] != (width,) or pair[1].shape != (out, pair[0].shape[0]):
        msg = f"factors of shapes {', '.join(str(factor.shape) for factor in pair)} for a matrix of {width} x {out}"
        raise ValueError(msg)
    rank = pair[0].shape[0]
    return pair[0], pair[1] * np.float32(alpha / (math.sqrt(rank) if root else rank))


def _diagonal(blocks: list[np.ndarray]) -> np.ndarray:
    """Matrices along the diagonal of one, zero elsewhere."""
    rows, columns = (np.cumsum([0] + [block.shape[axis] for block in blocks]) for axis in (0, 1))
    whole = np.zeros((rows[-1], columns[-1]), np.float32)
    for i, block in enumerate(blocks):
        whole[rows[i] : rows[i + 1], columns[i] : columns[i + 1]] = block
    return whole


def _padded(factor: np.ndarray, axis: int) -> np.ndarray:
    """A factor of rank 0 as one of rank 1 that adds nothing: OpenVINO multiplies no empty matrices."""
    if factor.shape[axis]:
        return factor
    return np.zeros((1, factor.shape[1]) if axis == 0 else (factor.shape[0], 1), np.float32)
