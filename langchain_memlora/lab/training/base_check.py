"""Checks that experts can be trained on a base model, before the first of them is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_memlora.bundles.bundle import Bundle
from langchain_memlora.bundles.roles import Role
from langchain_memlora.errors import BundleError, ModelError, ModelNotFoundError
from langchain_memlora.experts.dialects.lines import LABELS as DECISIONS
from langchain_memlora.experts.sentence_prompt import LABELS
from langchain_memlora.models import resolve_base_model


def check_trainable(base: str, bundle: Bundle, roles: Sequence[Role]) -> None:
    """Check that the experts of some roles can be trained on a base model.

    Only its configuration and tokenizer are read.

    Args:
        base: A folder or hub id.
        bundle: Its prompts, dialect and chat template are used; a chat template of the base comes first.

    Raises:
        ModelNotFoundError: There is no such base model.
        ModelError: It is no causal language model, or has no end token.
        BundleError: There is no chat template, or labels begin with the same token.
    """
    from transformers import AutoConfig, AutoTokenizer

    source = resolve_base_model(base).source
    try:
        config, tokenizer = AutoConfig.from_pretrained(source), AutoTokenizer.from_pretrained(source)
    except (OSError, ValueError, KeyError) as error:
        msg = f"The base model {base!r} can't be read ({error}). Pass a folder with config.json and tokenizer, or a hub id."
        raise ModelNotFoundError(msg) from error
    if not _writes(config):
        msg = f"The base model {base!r} is of the type {config.model_type}, no causal language model. Use another base model."
        raise ModelError(msg)
    if tokenizer.eos_token_id is None:
        msg = f"The tokenizer of the base model {base!r} has no end token. Set eos_token in tokenizer_config.json."
        raise ModelError(msg)
    if not (tokenizer.chat_template or bundle.chat_template):
        msg = f"Neither bundle {bundle.path} nor base model {base!r} has a chat template. Add chat_template.jinja to the base."
        raise BundleError(msg)
    if Role.EXTRACTION in roles and bundle.card.dialect == "spans":
        check_labels(tokenizer, LABELS)
    if Role.MEMORY_UPDATE in roles and bundle.card.dialect != "json":
        check_labels(tokenizer, DECISIONS)


def check_labels(tokenizer: Any, labels: Sequence[str]) -> None:
    """Check that labels differ in their first token, by which alone an engine tells them apart.

    Raises:
        BundleError: Two begin with the same token.
    """
    firsts: dict[int, str] = {}
    for label in labels:
        first = tokenizer(label, add_special_tokens=False)["input_ids"][0]
        if first in firsts:
            msg = (
                f"With this base model the labels {firsts[first]!r} and {label!r} begin with the same token "
                f"({tokenizer.decode([first])!r}). Use another base model."
            )
            raise BundleError(msg)
        firsts[first] = label


def _writes(config: Any) -> bool:
    """Return whether the model of a configuration writes text from left to right; `True` where it does not say."""
    named = config.architectures or ["CausalLM"]
    return not getattr(config, "is_encoder_decoder", False) and any(
        kind in name for name in named for kind in ("CausalLM", "LMHead", "ConditionalGeneration")
    )
