"""Reading of a PEFT adapter folder without PEFT, if it is plain LoRA: low-rank factors and a scale, nothing else."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from langchain_memlora.engines.tensors import TensorFiles
from langchain_memlora.errors import BundleError

_UNSUPPORTED = ("use_dora", "lora_bias", "use_qalora", "modules_to_save", "alpha_pattern", "alora_invocation_tokens")
_PREFIX = "base_model.model."


@dataclass(frozen=True, slots=True)
class PlainLoRA:
    """An adapter's factors by PEFT's names, and its `lora_alpha`.

    Attributes:
        root: Whether the scale is alpha over the root of the rank (rsLoRA), not alpha over the rank.
    """

    tensors: Mapping[str, np.ndarray]
    alpha: float
    root: bool

    def scale(self, rank: int) -> float:
        """Return the factor by which a product of this rank is multiplied."""
        return self.alpha / (math.sqrt(rank) if self.root else rank)

    @property
    def modules(self) -> list[str]:
        """The adapted modules, as a checkpoint names them, for instance `model.layers.0.self_attn.q_proj`."""
        return sorted({name.removeprefix(_PREFIX).partition(".lora_")[0] for name in self.tensors})

    def factors(self, module: str) -> list[np.ndarray]:
        """Return both factors of a module, (rank, in) and (out, rank), or those that exist."""
        names = [f"{_PREFIX}{module}.lora_{factor}.weight" for factor in "AB"]
        return [self.tensors[name] for name in names if name in self.tensors]


def read_plain_lora(role: str, folder: Path) -> PlainLoRA:
    """Read an adapter.

    Raises:
        BundleError: It can't be read, or has parts that only PEFT can run.
    """
    alpha, root = check_plain(role, folder)
    try:
        return PlainLoRA(TensorFiles(folder / "adapter_model.safetensors"), alpha, root)
    except (OSError, ValueError) as error:
        raise _unreadable(role, folder, error) from error


def check_plain(role: str, folder: Path) -> tuple[float, bool]:
    """Check that an adapter is plain LoRA; returns its alpha and whether that is divided by the root of the rank.

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
        msg = f"The {role} adapter in {folder} has {', '.join(odd)}, which only PEFT can run. Use TransformersEngine."
        raise BundleError(msg)
    return alpha, bool(config.get("use_rslora"))


def _unreadable(role: str, folder: Path, error: Exception) -> BundleError:
    return BundleError(
        f"The {role} adapter in {folder} can't be read ({error!s:.300}). Restore it from where the bundle came."
    )
