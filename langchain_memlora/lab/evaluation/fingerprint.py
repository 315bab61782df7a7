"""Fingerprints of runs, to compare only what is comparable: hashes of experts and data, versions, the machine."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Collection
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from langchain_memlora._version import __version__
from langchain_memlora.bundles import TEXT_ROLES, Bundle, Role
from langchain_memlora.lab.evaluation.conversations import Conversation
from langchain_memlora.ledger.migrations import VERSION

PACKAGES = ("torch", "transformers", "peft", "sentence-transformers", "chromadb", "langchain-core", "langgraph")


def bundle_sha256(bundle: Bundle, roles: Collection[Role] = TEXT_ROLES) -> str:
    """Hash all that determines the output of a bundle's experts in these roles: prompts, settings and weights."""
    fields = {"dialect", "base", "window", "update", "max_tokens"}
    # Other dialects do not use the thresholds. Languages are left out: the recorded data is in English.
    fields |= {"choice"} if bundle.card.dialect == "spans" else set()
    card = bundle.card.model_dump(mode="json", include=fields)
    digest = hashlib.sha256(json.dumps(card, sort_keys=True).encode())
    digest.update((bundle.chat_template or "").encode())
    for role in sorted(roles):
        folder = bundle.adapters.get(role)
        digest.update(f"{role}\n{folder is not None}\n{bundle.prompts.get(role, '')}".encode())
        for file in sorted(folder.glob("adapter_*")) if folder else ():
            digest.update(file.read_bytes())
    return digest.hexdigest()


def history_sha256(conversation: Conversation) -> str:
    """Hash a conversation's turns."""
    turns = [(t.message_id, t.role, t.speaker, t.text, t.observed_at.isoformat()) for t in conversation.turns]
    return hashlib.sha256(json.dumps(turns).encode()).hexdigest()


def store_key(bundle: Bundle, conversation: Conversation, embedder: str) -> str:
    """Return the name of a filled store, the same for the same experts, history and embedder."""
    parts = [
        __version__,
        str(VERSION),
        embedder,
        bundle_sha256(bundle, (Role.EXTRACTION, Role.MEMORY_UPDATE)),
        history_sha256(conversation),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def surroundings() -> dict[str, Any]:
    """Return versions and machine, for the record."""
    return {
        "langchain-memlora": __version__,
        "python": platform.python_version(),
        "machine": f"{os.cpu_count()} CPU cores ({platform.machine()}, {platform.system()})",
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
