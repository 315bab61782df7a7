"""Export of a base model to OpenVINO: made once from its checkpoint, cached under the hash of its weights."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any, Literal, get_args

import openvino

from langchain_memlora.engines.openvino.graph import Shape, build
from langchain_memlora.engines.tensors import TensorFiles
from langchain_memlora.errors import InvalidInputError, ModelError
from langchain_memlora.models.base_model import MANIFEST, BaseModel, check_manifest
from langchain_memlora.models.cache import cache_dir, filling, sha256_of

Weights = Literal["int8", "float32"]
FORMAT = 5
"""Increase with every change to the graph, so that older exports are not used."""


def exported(base: BaseModel, folder: Path, shape: Shape, weights: Weights) -> Path:
    """Return the model file of a base, writing it first if it is not in the cache.

    Args:
        folder: Of its checkpoint.

    Raises:
        InvalidInputError: `weights` is neither int8 nor float32.
        ModelError: A weight is missing, or the cache can't be written.
        ModelMismatchError: The exported file was altered or truncated.
    """
    if weights not in get_args(Weights):
        msg = f"weights is {weights!r}. Use one of {', '.join(get_args(Weights))}."
        raise InvalidInputError(msg)
    target = cache_dir() / "openvino" / f"{folder.name}-{weights}-{_key(base, folder, shape)}"
    if not (target / MANIFEST).exists():
        print(f"Writing {base.name} for OpenVINO ({weights}), once", file=sys.stderr, flush=True)
        with filling(target, MANIFEST) as draft:
            _write(base, folder, shape, weights, draft)
    check_manifest(target)
    return target / "model.xml"


def keep_compiled() -> dict[str, str]:
    """Return the option that caches compiled models: compiling takes longer than the rest of starting.

    Empty if the cache can't be written. OpenVINO compiles again after a change of its version, of the model or of the
    processor, and if the file is truncated.
    """
    folder = cache_dir() / "openvino" / "compiled"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return {}
    return {"CACHE_DIR": str(folder)} if os.access(folder, os.W_OK) else {}


def shape_of(config: dict[str, Any], name: str) -> Shape:
    """Return the shape of a Llama, from its `config.json`.

    Raises:
        ModelError: It is another architecture.
    """
    heads = config.get("num_attention_heads", 0)
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    odd = {
        "model_type": config.get("model_type") != "llama",
        "hidden_act": config.get("hidden_act", "silu") != "silu",
        "attention_bias": bool(config.get("attention_bias")),
        "mlp_bias": bool(config.get("mlp_bias")),
        "rope_parameters": rope.get("rope_type", "default") != "default",
    }
    if any(odd.values()):
        found = ", ".join(f"{key}={config.get(key)!r}" for key, is_odd in odd.items() if is_odd)
        msg = f"OpenVINOEngine runs plain Llamas only, but {name} has {found}. Use TransformersEngine for it."
        raise ModelError(msg)
    return Shape(
        layers=config["num_hidden_layers"],
        hidden=config["hidden_size"],
        intermediate=config["intermediate_size"],
        heads=heads,
        kv_heads=config.get("num_key_value_heads") or heads,
        head=config.get("head_dim") or config["hidden_size"] // heads,
        epsilon=config["rms_norm_eps"],
        tied=bool(config.get("tie_word_embeddings")),
    )


def _key(base: BaseModel, folder: Path, shape: Shape) -> str:
    weights = base.sha256 or [sha256_of(file) for file in sorted(folder.glob("*.safetensors"))]
    return hashlib.sha256(repr((FORMAT, weights, shape)).encode()).hexdigest()[:12]


def _write(base: BaseModel, folder: Path, shape: Shape, weights: Weights, draft: Path) -> None:
    try:
        model = build(TensorFiles(folder), shape, quantize=weights == "int8")
    except KeyError as error:
        msg = f"Base model {base.name} lacks the weight {error}. Restore {folder} or pass another base."
        raise ModelError(msg) from error
    openvino.save_model(model, draft / "model.xml", compress_to_fp16=False)
    files = {p.name: {"bytes": p.stat().st_size, "sha256": sha256_of(p)} for p in sorted(draft.iterdir())}
    (draft / MANIFEST).write_text(json.dumps({"source": base.name, "weights": weights, "files": files}, indent=1))
