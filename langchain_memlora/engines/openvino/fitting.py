"""A check that the OpenVINO engine can run a bundle and its base model."""

from __future__ import annotations

import json
from pathlib import Path

from langchain_memlora.bundles.bundle import Bundle
from langchain_memlora.engines.openvino.export import shape_of
from langchain_memlora.engines.plain_lora import check_plain
from langchain_memlora.errors import MemLoRAError
from langchain_memlora.models.base_model import resolve_base_model


def can_run(bundle: Bundle) -> bool:
    """Return whether the base is a local plain Llama and all adapters are plain LoRA, by their configurations."""
    try:
        base = resolve_base_model(bundle.card.base.name)
        shape_of(json.loads((Path(base.source) / "config.json").read_text(encoding="utf-8")), base.name)
        for role, folder in bundle.adapters.items():
            check_plain(role, folder)
    except (MemLoRAError, OSError, ValueError, KeyError):
        return False
    return True
