"""Tests of prompts laid out as trees, on a tiny random model of every architecture listed and of some that are not."""

from typing import Any

import pytest
import torch
from support.vlms import internvl, smolvlm
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText

from langchain_memlora.engines.prefixes import branch
from langchain_memlora.engines.transformers_prefixes import ARCHITECTURES, last_logits, longest_shared

WINDOW = 8
TREES = (
    [[5, 6, 7, 8, 9, 10], [5, 6, 7, 8, 11], [5, 6, 7, 12, 13], [5, 6, 7, 12, 13, 14, 15, 16]],
    [[20, 21, 22], [20, 21, 22], [20, 21, 22, 23]],
    [[30, 31, 32, 33, 34, 35, 36, 37]],
)
VISION = {"idefics3": smolvlm, "internvl": internvl}


def config_of(kind: str, **more: Any) -> Any:
    if kind in VISION:
        return VISION[kind]()[0]
    shape: dict[str, Any] = {
        "vocab_size": 64,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "initializer_range": 0.3,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0,
    }
    return AutoConfig.for_model(kind, **{**shape, **more})


def model_of(config: Any) -> Any:
    torch.manual_seed(0)
    loader = AutoModelForImageTextToText if config.model_type in VISION else AutoModelForCausalLM
    return loader.from_config(config, dtype=torch.float32).eval()


def alone(model: Any) -> torch.Tensor:
    prompts = [torch.tensor([prompt]) for tree in TREES for prompt in tree]
    return torch.cat([model(input_ids=prompt).logits[:, -1] for prompt in prompts])


def together(model: Any) -> torch.Tensor:
    return last_logits(model, [branch(prompts) for prompts in TREES], 0)


@pytest.mark.parametrize("kind", sorted(ARCHITECTURES - {"smolvlm"}))  # smolvlm computes text as idefics3 does
@torch.inference_mode()
def test_trees_match_single_prompts(kind: str) -> None:
    model = model_of(config_of(kind))
    assert longest_shared(model.config) > 100
    torch.testing.assert_close(together(model), alone(model), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("mistral", {}),
        ("gemma2", {}),
        ("gemma3_text", {"final_logit_softcapping": 5.0}),
        ("qwen2", {"use_sliding_window": True, "max_window_layers": 1}),
    ],
)
@torch.inference_mode()
def test_window_limits_length(kind: str, options: dict[str, Any]) -> None:
    model = model_of(config_of(kind, sliding_window=WINDOW, **options))
    assert longest_shared(model.config) == WINDOW
    torch.testing.assert_close(together(model), alone(model), atol=1e-4, rtol=1e-4)


def test_unlisted_models_share_nothing() -> None:
    assert longest_shared(model_of(config_of("gpt2")).config) == 0
    assert longest_shared(model_of(config_of("llama", attn_implementation="flex_attention")).config) == 0
