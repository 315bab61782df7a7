"""Tests that tokens and tensors read without transformers match it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from transformers import AutoTokenizer

from langchain_memlora.engines.loading import tokenizer_sha256
from langchain_memlora.engines.tensors import TensorFiles
from langchain_memlora.engines.tokens import ChatTokens
from langchain_memlora.errors import BundleError

WORDS = st.sampled_from(
    ["Ana", " lives in ", "<|im_end|>", "<|im_start|>", "\n", "é", "7", " ", "<|endoftext|>", "system"]
)


def test_chat_ids_match_transformers(tiny: Any) -> None:
    template = (tiny.bundle_path / "chat_template.jinja").read_text()
    tokens, reference = ChatTokens(tiny.base, template), AutoTokenizer.from_pretrained(tiny.base)

    @given(st.lists(st.lists(WORDS, max_size=8).map("".join), min_size=1, max_size=3))
    @settings(max_examples=60)
    def holds(texts: list[str]) -> None:
        messages = [{"role": "user", "content": text} for text in texts]
        expected = reference.apply_chat_template(
            messages, chat_template=template, add_generation_prompt=True, sanitize_control_tokens=True, return_dict=True
        )["input_ids"]
        found = tokens.chat([("user", text) for text in texts])
        assert found == expected
        assert tokens.text(found) == reference.decode(expected, skip_special_tokens=True)

    holds()
    assert tokens.sha256 == tokenizer_sha256(reference)
    assert (tokens.end, tokens.pad) == (reference.eos_token_id, reference.pad_token_id)


def test_chat_template_is_required(tiny: Any) -> None:
    with pytest.raises(BundleError, match=r"Add chat_template\.jinja"):
        ChatTokens(tiny.base)


def test_tensors_match_file(tmp_path: Path) -> None:
    values = torch.randn(5, 3)
    kinds = {str(kind): values.to(kind) for kind in (torch.float32, torch.bfloat16, torch.float16)}
    save_file(kinds, tmp_path / "model.safetensors")
    found = TensorFiles(tmp_path)
    assert found.keys() == kinds.keys()
    for name, tensor in kinds.items():
        assert np.array_equal(found[name], tensor.float().numpy())
        assert np.array_equal(found.rows(name, np.array([[4, 0]])), tensor.float().numpy()[[[4, 0]]])
    whole = (tmp_path / "model.safetensors").read_bytes()
    for cut in (whole[:20], whole[:-4]):
        (tmp_path / "model.safetensors").write_bytes(cut)
        with pytest.raises(ValueError, match="truncated"):
            TensorFiles(tmp_path)
