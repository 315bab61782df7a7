"""Tiny random models of each supported vision-language architecture, with its processor and a bundle."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForImageTextToText,
    Gemma3Config,
    Gemma3Processor,
    Idefics3Config,
    Idefics3Processor,
    InternVLConfig,
    PreTrainedTokenizerFast,
    Qwen2VLConfig,
)
from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from langchain_memlora.engines.vision_models import language_targets
from support.models import SENTENCES, Tiny

TOWER: dict[str, Any] = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4}
TEMPLATE = (
    "{{% for message in messages %}}<|im_start|>{{{{ message['role'] }}}}\n{{% for part in message['content'] %}}"
    "{{% if part['type'] == 'image' %}}{image}{{% else %}}{{{{ part['text'] }}}}{{% endif %}}{{% endfor %}}<|im_end|>\n"
    "{{% endfor %}}{{% if add_generation_prompt %}}<|im_start|>assistant\n{{% endif %}}"
)
ROLES = ("extraction", "vision")
Files = Callable[[Path], None]


def parts(pixels: Any, **options: Any) -> Files:
    """Write a processor part by part, as on the hub: without torchvision one that accepts videos can't be built whole."""

    def write(folder: Path) -> None:
        pixels.save_pretrained(folder)
        (folder / "processor_config.json").write_text(json.dumps(options))

    return write


def tokenizer_with(*tokens: str, **named: str) -> PreTrainedTokenizerFast:
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *tokens, *named.values()]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=360, special_tokens=specials, initial_alphabet=alphabet, show_progress=False
    )
    raw.train_from_iterator(SENTENCES, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=raw,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=list(tokens),
        extra_special_tokens=named,
    )


def language(tokenizer: PreTrainedTokenizerFast, kind: str, **more: Any) -> dict[str, Any]:
    """Return the configuration of a language tower."""
    return {
        **TOWER,
        "model_type": kind,
        "num_hidden_layers": 2,
        "num_key_value_heads": 2,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": 256,
        "initializer_range": 0.3,
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        **more,
    }


def smolvlm() -> tuple[Any, Any, Files]:
    tokenizer = tokenizer_with("<fake_token_around_image>", "<image>", "<end_of_utterance>", "<global-img>")
    pixels = Idefics3ImageProcessorPil(
        size={"longest_edge": 16}, max_image_size={"longest_edge": 16}, do_image_splitting=False
    )
    processor = Idefics3Processor(pixels, tokenizer, image_seq_len=4, chat_template=TEMPLATE.format(image="<image>"))
    config = Idefics3Config(
        image_token_id=processor.image_token_id,
        scale_factor=2,
        vision_config={**TOWER, "image_size": 16, "patch_size": 4},
        text_config=language(tokenizer, "llama"),
    )
    return config, tokenizer, processor.save_pretrained


def qwen2_vl() -> tuple[Any, Any, Files]:
    tokenizer = tokenizer_with("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
    pixels = Qwen2VLImageProcessorPil(min_pixels=16 * 16, max_pixels=32 * 32, patch_size=4)
    tokenizer.chat_template = TEMPLATE.format(image="<|vision_start|><|image_pad|><|vision_end|>")
    rope = {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": [1, 1, 2]}
    config = Qwen2VLConfig(
        image_token_id=tokenizer.convert_tokens_to_ids("<|image_pad|>"),
        video_token_id=tokenizer.convert_tokens_to_ids("<|video_pad|>"),
        vision_start_token_id=tokenizer.convert_tokens_to_ids("<|vision_start|>"),
        vision_end_token_id=tokenizer.convert_tokens_to_ids("<|vision_end|>"),
        vision_config={"depth": 1, "embed_dim": 32, "hidden_size": 32, "num_heads": 2, "mlp_ratio": 2, "patch_size": 4},
        text_config=language(tokenizer, "qwen2_vl_text", rope_parameters=rope),
    )
    return config, tokenizer, parts(pixels)


def internvl() -> tuple[Any, Any, Files]:
    tokenizer = tokenizer_with(
        start_image_token="<img>",
        end_image_token="</img>",
        context_image_token="<IMG_CONTEXT>",
        video_token="<video>",
    )
    pixels = GotOcr2ImageProcessorPil(size={"height": 16, "width": 16})
    tokenizer.chat_template = TEMPLATE.format(image="<IMG_CONTEXT>")
    config = InternVLConfig(
        image_token_id=tokenizer.context_image_token_id,
        image_seq_length=4,
        vision_config={**TOWER, "image_size": [16, 16], "patch_size": [4, 4]},
        text_config=language(tokenizer, "qwen2"),
    )
    return config, tokenizer, parts(pixels, image_seq_length=4)


def gemma3() -> tuple[Any, Any, Files]:
    tokenizer = tokenizer_with(
        image_token="<image_soft_token>", boi_token="<start_of_image>", eoi_token="<end_of_image>"
    )
    pixels = Gemma3ImageProcessorPil(size={"height": 16, "width": 16})
    template = TEMPLATE.format(image="<start_of_image>")
    processor = Gemma3Processor(pixels, tokenizer, chat_template=template, image_seq_length=4)
    config = Gemma3Config(
        mm_tokens_per_image=4,
        boi_token_index=tokenizer.boi_token_id,
        eoi_token_index=tokenizer.eoi_token_id,
        image_token_index=tokenizer.image_token_id,
        vision_config={**TOWER, "image_size": 16, "patch_size": 4},
        text_config=language(tokenizer, "gemma3_text", head_dim=8),
    )
    return config, tokenizer, processor.save_pretrained


ARCHITECTURES: dict[str, Callable[[], tuple[Any, Any, Files]]] = {
    make.__name__: make for make in (smolvlm, qwen2_vl, internvl, gemma3)
}


def write_vlm(name: str, folder: Path) -> Tiny:
    """Write a base model and a bundle with an extraction and a vision expert on its language tower."""
    config, tokenizer, write_processor = ARCHITECTURES[name]()
    torch.manual_seed(0)
    model = AutoModelForImageTextToText.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if not parameter.any():  # a connector of zeros would hide the picture
                parameter.normal_(std=0.3)
    model.save_pretrained(folder / "base")
    tokenizer.save_pretrained(folder / "base")
    write_processor(folder / "base")
    lora = LoraConfig(r=4, target_modules=language_targets("q_proj", "v_proj"), task_type="CAUSAL_LM")
    adapted = get_peft_model(model, lora, adapter_name=ROLES[0])
    adapted.add_adapter(ROLES[1], lora)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter_name, parameter in adapted.named_parameters():
            if "lora_" in parameter_name:
                parameter.normal_(std=0.4)
    bundle = folder / "bundle"
    adapted.save_pretrained(bundle, save_embedding_layers=False)
    (bundle / "prompts").mkdir()
    for role in ROLES:
        (bundle / "prompts" / f"{role}.txt").write_text("{question}\n" if role == "vision" else "{dialogue}\n")
    (bundle / "card.json").write_text(json.dumps({"format": 1, "name": name, "base": {"name": str(folder / "base")}}))
    return Tiny(folder / "base", bundle)
