"""Tests that GGUF adapters change the base's weights as the PEFT ones do."""

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from langchain_memlora.engines.gguf_adapters import base_config, write_adapter
from langchain_memlora.engines.plain_lora import read_plain_lora
from langchain_memlora.errors import BundleError, ModelError


def patch_json(file: Path, **changes: object) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def changes_of(file: Path) -> dict[str, np.ndarray]:
    """Return what an adapter file adds to each of the base's matrices, as llama.cpp computes it."""
    reader = gguf.GGUFReader(file)
    tensors = {tensor.name: np.array(tensor.data) for tensor in reader.tensors}
    alpha = float(reader.fields["adapter.lora.alpha"].contents())
    names = {name.removesuffix(".lora_a") for name in tensors if name.endswith(".lora_a")}
    return {
        name: alpha / len(tensors[f"{name}.lora_a"]) * tensors[f"{name}.lora_b"] @ tensors[f"{name}.lora_a"]
        for name in names
    }


def in_order(rows: np.ndarray, heads: int) -> np.ndarray:
    """Back from llama.cpp's order: the even rows of a head, then the odd ones."""
    by_head = rows.reshape(heads, -1, rows.shape[1])
    return np.concatenate([by_head[:, ::2], by_head[:, 1::2]], axis=1).reshape(rows.shape)


@pytest.mark.parametrize("changes", [{}, {"lora_alpha": 3}, {"lora_alpha": 6}, {"use_rslora": True}])
def test_gguf_adapter_matches_peft(tiny: Any, copied: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    folder, config = copied / "extraction", base_config(tiny.base)
    patch_json(folder / "adapter_config.json", **changes)
    write_adapter("extraction", folder, config, tmp_path / "x.gguf")
    found, adapter = changes_of(tmp_path / "x.gguf"), read_plain_lora("extraction", folder)
    assert len(found) == len(adapter.modules) > 0
    for layer in range(config["num_hidden_layers"]):
        for module, name, heads in (
            ("q_proj", "attn_q", config["num_attention_heads"]),
            ("k_proj", "attn_k", config["num_key_value_heads"]),
            ("v_proj", "attn_v", 1),
        ):
            if factors := adapter.factors(f"model.layers.{layer}.self_attn.{module}"):
                a, b = factors
                written = found[f"blk.{layer}.{name}.weight"]
                restored = in_order(written, heads) if heads > 1 else written
                assert np.allclose(restored, adapter.scale(len(a)) * b @ a, atol=1e-6)


def test_unsupported_gguf_export_raises(tiny: Any, copied: Path, tmp_path: Path) -> None:
    config = base_config(tiny.base)
    with pytest.raises(ModelError, match="'gemma' can't be written as GGUF"):
        write_adapter("extraction", copied / "extraction", {**config, "model_type": "gemma"}, tmp_path / "x.gguf")
    patch_json(copied / "extraction" / "adapter_config.json", use_dora=True)
    with pytest.raises(BundleError, match="use_dora, which only PEFT can run"):
        write_adapter("extraction", copied / "extraction", config, tmp_path / "x.gguf")
    with pytest.raises(ModelError, match=r"config\.json"):
        base_config(tmp_path / "nowhere")
