"""Loading of a base model and a bundle's adapters, with a check that they belong together."""

from __future__ import annotations

import contextlib
import hashlib
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, cast, get_args

import torch
from peft import PeftModel, get_peft_model_state_dict
from safetensors import SafetensorError, safe_open
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoTokenizer,
    GenerationConfig,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as hf_logging

from langchain_memlora.bundles.bundle import Bundle
from langchain_memlora.engines.prompting import check_base
from langchain_memlora.engines.transformers_tokens import TransformersTokens, pad_id
from langchain_memlora.errors import (
    BundleError,
    BundleMismatchError,
    InvalidInputError,
    ModelError,
    ModelNotFoundError,
)
from langchain_memlora.models.base_model import BaseModel, resolve_base_model, tensors_sha256

DType = Literal["auto", "bfloat16", "float32"]
_UNREADABLE = (OSError, ValueError, TypeError, KeyError, RuntimeError, ImportError, SafetensorError)


def load_experts(
    bundle: Bundle, base: str, dtype: torch.dtype, device: torch.device
) -> tuple[PreTrainedTokenizerBase, PeftModel | PreTrainedModel]:
    """Load a base model with every adapter of a bundle on it, frozen and set to decode greedily.

    Raises:
        ModelNotFoundError: There is no such base model.
        ModelError: The base model can't be read.
        BundleMismatchError: The bundle was trained on another base model or tokenizer.
        BundleError: An adapter is corrupt, or there is no chat template.
    """
    found = resolve_base_model(base)
    with _no_progress_bars():
        tokenizer, model = _load_base(found, dtype)
        if not (bundle.chat_template or tokenizer.chat_template):
            msg = f"Neither bundle {bundle.path} nor base model {found.name} has a chat template. Add chat_template.jinja."
            raise BundleError(msg)
        check_base(bundle, found, tokenizer_sha256(tokenizer), lambda: tensors_sha256(model))
        ids = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": pad_id(tokenizer)}
        model.generation_config = GenerationConfig(do_sample=False, **ids)
        with warnings.catch_warnings():  # PEFT uses a deprecated name; and missing weights are an error here
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing`|Found missing adapter keys")
            adapted = _with_adapters(bundle, found, contiguous_head(model))
    cast("torch.nn.Module", adapted).to(device).eval().requires_grad_(requires_grad=False)
    return tokenizer, adapted


def contiguous_head(model: PreTrainedModel) -> PreTrainedModel:
    """Make the input of the output layer contiguous; returns the model.

    With `logits_to_keep` that input is a slice of a batch, for which torch copies the layer's whole weight once a row: on
    a CPU that takes longer than everything before it.
    """
    model.get_output_embeddings().register_forward_pre_hook(lambda layer, given: (given[0].contiguous(), *given[1:]))
    return model


def is_vision_language(config: PreTrainedConfig) -> bool:
    """Return whether a model of this configuration takes pictures."""
    return getattr(config, "vision_config", None) is not None


def model_class(config: PreTrainedConfig) -> Any:
    """Return the transformers class that loads a model of this configuration."""
    return AutoModelForImageTextToText if is_vision_language(config) else AutoModelForCausalLM


def chat_tokens(bundle: Bundle, tokenizer: PreTrainedTokenizerBase, config: PreTrainedConfig) -> TransformersTokens:
    """Return a tokenizer with the chat template that a bundle uses."""
    blocks = is_vision_language(config) and not bundle.chat_template
    return TransformersTokens(tokenizer, bundle.chat_template, blocks=blocks)


def tokenizer_sha256(tokenizer: PreTrainedTokenizerBase) -> str:
    """Hash a tokenizer's vocabulary: tokens and their ids in token order, whatever files they came from."""
    return hashlib.sha256(json.dumps(tokenizer.get_vocab(), sort_keys=True).encode()).hexdigest()


def pick_device(name: str) -> torch.device:
    """Return a device by name; for `auto` the first of cuda, mps and cpu that is available."""
    if name == "auto":
        mps = torch.backends.mps.is_available()
        return torch.device("cuda" if torch.cuda.is_available() else "mps" if mps else "cpu")
    try:
        return torch.device(name)
    except RuntimeError as error:
        msg = f"device is {name!r}, unknown to torch. Use auto, cpu, cuda, cuda:0 or mps."
        raise InvalidInputError(msg) from error


def pick_dtype(name: DType, device: torch.device) -> torch.dtype:
    """Return a dtype by name; for `auto` bfloat16 if the device computes in it, else float32."""
    if name not in get_args(DType):
        msg = f"dtype is {name!r}. Use one of {', '.join(get_args(DType))}."
        raise InvalidInputError(msg)
    if name != "auto":
        return cast("torch.dtype", getattr(torch, name))
    able = torch.cpu.get_capabilities()
    native = {
        "cuda": torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False),
        "cpu": bool(able.get("avx512_bf16") or able.get("amx_bf16") or able.get("arm_bf16")),
    }
    return torch.bfloat16 if native.get(device.type, False) else torch.float32


@contextlib.contextmanager
def _no_progress_bars() -> Iterator[None]:
    shown = hf_logging.is_progress_bar_enabled()
    hf_logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            hf_logging.enable_progress_bar()


def _load_base(base: BaseModel, dtype: torch.dtype) -> tuple[PreTrainedTokenizerBase, PreTrainedModel]:
    try:
        tokenizer = AutoTokenizer.from_pretrained(base.source)
        loader = model_class(AutoConfig.from_pretrained(base.source))
        model, info = loader.from_pretrained(base.source, dtype=dtype, output_loading_info=True)
        if lacking := sorted(info["missing_keys"]):
            msg = f"{len(lacking)} weights are missing, {lacking[0]} first"
            raise ValueError(msg)
    except _UNREADABLE as error:
        local = Path(base.source).is_dir()
        msg = f"Base model {base.name!r} can't be loaded from {base.source} ({type(error).__name__}: {_short(error)}). "
        remedy = (
            "Restore the folder or pass another base." if local else "Check the name and the network, or pass a folder."
        )
        raise (ModelError if local else ModelNotFoundError)(msg + remedy) from error
    return tokenizer, model


def _with_adapters(bundle: Bundle, base: BaseModel, model: PreTrainedModel) -> PeftModel | PreTrainedModel:
    adapted: PeftModel | None = None
    shape = model.config.get_text_config()
    for role, folder in bundle.adapters.items():
        options: dict[str, Any] = {"adapter_name": str(role), "is_trainable": False, "autocast_adapter_dtype": False}
        try:
            if adapted is None:
                adapted = PeftModel.from_pretrained(model, str(folder), **options)
            else:
                adapted.load_adapter(str(folder), **options)
            reason = _unmatched(adapted, str(role), folder)
        except _UNREADABLE as error:
            reason = _short(error)
            if "size mismatch" not in str(error) and "arget modules" not in str(error):
                msg = f"The {role} adapter in {folder} can't be read ({reason}). Restore it from where the bundle came."
                raise BundleError(msg) from error
        if reason:
            msg = (
                f"The {role} adapter in {folder} does not fit {base.name} ({shape.model_type}, hidden size "
                f"{shape.hidden_size}, {shape.num_hidden_layers} layers): {reason}. Load the base it was trained on, "
                f"{bundle.card.base.name}, or train it for this one."
            )
            raise BundleMismatchError(msg)
    return adapted or model


def _unmatched(model: PeftModel, role: str, folder: Path) -> str:
    """Describe weights that the file or the model lacks, of which PEFT only warns; empty if there are none."""
    with safe_open(folder / "adapter_model.safetensors", framework="pt") as file:
        stored = {key for key in file.keys() if "lora_" in key}  # noqa: SIM118 - not a dict
    state = get_peft_model_state_dict(model, adapter_name=role, save_embedding_layers=False)
    odd = sorted(stored ^ {key for key in state if "lora_" in key})
    return f"{len(odd)} weights are only in one of them, {odd[0]} first" if odd else ""


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
