"""A vision-language model of 1.3 million parameters in the architecture of SmolVLM (Idefics3), with a tokenizer of words."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import Idefics3Config, Idefics3ForConditionalGeneration, Idefics3Processor, PreTrainedTokenizerFast
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil

from benchmarks.vision.drawings import SIDE

PATCH, FOLD, WIDTH, LAYERS = 8, 2, 128, 4
PAD, END, USER, ASSISTANT, UNKNOWN = "<pad>", "<end>", "<user>", "<assistant>", "<unknown>"
IMAGE = ("<fake_token_around_image>", "<image>", "<end_of_utterance>", "<global-img>")
TEMPLATE = (
    "{% for message in messages %}{{ '<user>' if message['role'] == 'user' else '<assistant>' }}"
    "{% for part in message['content'] %}{{ '<image>' if part['type'] == 'image' else part['text'] }}{% endfor %}<end>"
    "{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
)


def make(folder: Path, texts: Iterable[str], *, seed: int = 0) -> None:
    """Write a random model and its processor into a folder.

    Args:
        texts: All text it will read and write; their words are its vocabulary.
    """
    tokenizer = _tokenizer(texts)
    Idefics3Processor(
        pixels(), tokenizer, image_seq_len=(SIDE // PATCH // FOLD) ** 2, chat_template=TEMPLATE
    ).save_pretrained(folder)
    spread = WIDTH**-0.5  # the 0.02 of large models leaves attention of this width nearly blind for a long time
    shape = {
        "hidden_size": WIDTH,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 4,
        "initializer_range": spread,
    }
    config = Idefics3Config(
        initializer_range=spread,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        scale_factor=FOLD,
        tie_word_embeddings=True,
        vision_config={**shape, "intermediate_size": 2 * WIDTH, "image_size": SIDE, "patch_size": PATCH},
        text_config={
            **shape,
            "model_type": "llama",
            "vocab_size": len(tokenizer),
            "num_key_value_heads": 4,
            "intermediate_size": 2 * WIDTH,
            "max_position_embeddings": 128,
            "bos_token_id": None,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
            "tie_word_embeddings": True,
        },
    )
    torch.manual_seed(seed)
    Idefics3ForConditionalGeneration(config).save_pretrained(folder)


def pixels() -> Idefics3ImageProcessorPil:
    """Return an image processor that leaves drawings unchanged."""
    side = {"longest_edge": SIDE}
    return Idefics3ImageProcessorPil(size=side, max_image_size=side, do_image_splitting=False)


def _tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    split = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation()])
    found = {word for text in texts for word, _ in split.pre_tokenize_str(text.lower())}
    words = [PAD, END, USER, ASSISTANT, UNKNOWN, *IMAGE, *sorted(found)]
    raw = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token=UNKNOWN))
    raw.normalizer = normalizers.Lowercase()
    raw.pre_tokenizer = split
    return PreTrainedTokenizerFast(
        tokenizer_object=raw,
        pad_token=PAD,
        eos_token=END,
        unk_token=UNKNOWN,
        additional_special_tokens=[USER, ASSISTANT, *IMAGE],
        padding_side="left",
    )
