"""A tiny random Llama with its own tokenizer and three random adapters, as a bundle on disk."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from langchain_memlora.bundles import Bundle, load_bundle

LIMIT = 256
ROLES = ("extraction", "memory_update", "generation")
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
SENTENCES = [
    "Ana lives in Berlin and works as a nurse.",
    "ADD NONE UPDATE DELETE unknown none forget",
    "I moved to Lisbon last week and I love the sea.",
    "user assistant system",
]
TEMPLATE = """{% for message in messages %}{{ '<|im_start|>' + message['role'] + '
' + message['content'] + '<|im_end|>
' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant
' }}{% endif %}"""


@dataclass(frozen=True)
class Tiny:
    """Folders of a base model and of a bundle for it."""

    base: Path
    bundle_path: Path

    @property
    def bundle(self) -> Bundle:
        return load_bundle(self.bundle_path)


def write_tokenizer(path: Path, sentences: list[str]) -> PreTrainedTokenizerFast:
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=SPECIALS, initial_alphabet=alphabet, show_progress=False
    )
    raw.train_from_iterator(sentences, trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, eos_token=SPECIALS[2], pad_token=SPECIALS[0])
    tokenizer.save_pretrained(path)
    return tokenizer


def write_base(path: Path, *, hidden: int = 32, layers: int = 2, seed: int = 0) -> LlamaForCausalLM:
    """Write a base whose logits are far apart and which ends about every twentieth token."""
    tokenizer = write_tokenizer(path, SENTENCES * 4)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=LIMIT,
        initializer_range=0.3,
        bos_token_id=0,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(seed)
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        model.lm_head.weight[tokenizer.eos_token_id] *= 2
    # Sampling defaults as instruct models have them; the engine must not heed them.
    model.generation_config.update(do_sample=True, temperature=0.6, top_p=0.9, repetition_penalty=1.3)
    model.save_pretrained(path)
    return model


def write_bundle(path: Path, base: Path, model: LlamaForCausalLM) -> None:
    lora = LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    adapted = get_peft_model(model, lora, adapter_name=ROLES[0])
    for role in ROLES[1:]:
        adapted.add_adapter(role, lora)
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_" in name:
                parameter.normal_(std=0.4)
    adapted.save_pretrained(path, save_embedding_layers=False)
    for role in ROLES:
        file = path / role / "adapter_config.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), "base_model_name_or_path": None}))
    (path / "prompts").mkdir()
    for role in ROLES:
        (path / "prompts" / f"{role}.txt").write_text("{dialogue}\n")
    (path / "chat_template.jinja").write_text(TEMPLATE)
    (path / "card.json").write_text(json.dumps({"format": 1, "name": "tiny", "base": {"name": str(base)}}))
