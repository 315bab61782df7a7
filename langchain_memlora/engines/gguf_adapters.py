"""Export of LoRA adapters as GGUF, which llama.cpp and programs built on it load beside a base model's GGUF."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from langchain_memlora.engines.plain_lora import read_plain_lora
from langchain_memlora.errors import ModelError

NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def write_adapter(role: str, folder: Path, config: dict[str, Any], file: Path) -> None:
    """Write one adapter.

    Args:
        folder: Of the PEFT adapter.
        config: The base model's `config.json`.
        file: The GGUF file to write.

    Raises:
        BundleError: The adapter can't be read or is not plain LoRA.
        ModelError: The base is not a Llama, or llama.cpp has no counterpart of a weight.

    Example:
        ```python
        import json
        from pathlib import Path
        from langchain_memlora.engines.gguf_adapters import write_adapter
        from langchain_memlora.bundles import load_bundle
        from langchain_memlora.models import resolve_base_model

        config = json.loads((Path(resolve_base_model().source) / "config.json").read_text())
        write_adapter("extraction", load_bundle().adapters["extraction"], config, Path("/tmp/extraction.gguf"))
        ```
    """
    if config.get("model_type") != "llama":
        msg = f"Adapters for {config.get('model_type')!r} can't be written as GGUF, only for 'llama'. Use them as PEFT's files."
        raise ModelError(msg)
    adapter = read_plain_lora(role, folder)
    heads = {"q_proj": config["num_attention_heads"], "k_proj": config.get("num_key_value_heads")}
    heads["k_proj"] = heads["k_proj"] or heads["q_proj"]
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, adapter.alpha)
    for module in adapter.modules:
        _, _, layer, name = module.split(".", 3)
        if name not in NAMES:
            msg = f"The {role} adapter in {folder} adapts {module}, which GGUF can't hold. Use it as PEFT's files."
            raise ModelError(msg)
        a, b = adapter.factors(module)
        rank = len(a)
        # llama.cpp always divides alpha by the rank, rsLoRA or not.
        b = b * np.float32(adapter.scale(rank) * rank / adapter.alpha)
        if count := heads.get(name.rpartition(".")[2]):
            b = _interleaved(b, count)
        writer.add_tensor(f"blk.{layer}.{NAMES[name]}.weight.lora_a", np.ascontiguousarray(a))
        writer.add_tensor(f"blk.{layer}.{NAMES[name]}.weight.lora_b", np.ascontiguousarray(b))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_adapters(adapters: dict[str, Path], config: dict[str, Any], target: Path) -> dict[str, Path]:
    """Write every adapter of a bundle into a folder, by role; the arguments and errors are those of `write_adapter`."""
    files = {str(role): target / f"{role}.gguf" for role in adapters}
    for role, folder in adapters.items():
        write_adapter(role, folder, config, files[str(role)])
    return files


def base_config(folder: Path) -> dict[str, Any]:
    """Return a checkpoint's configuration.

    Raises:
        ModelError: It can't be read.
    """
    try:
        return json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        msg = f"{folder} has no config.json that can be read ({error}). Pass the folder of a whole checkpoint."
        raise ModelError(msg) from error


def _interleaved(rows: np.ndarray, heads: int) -> np.ndarray:
    """Reorder rows of queries or keys for llama.cpp's rotation: the two halves of each head alternate."""
    out, rank = rows.shape
    return rows.reshape(heads, 2, out // heads // 2, rank).swapaxes(1, 2).reshape(out, rank)
