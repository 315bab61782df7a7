"""A memory with everything real except the model: rules in place of experts, and an embedder that counts words."""

from __future__ import annotations

import dataclasses
import functools
import math
import re
import zlib
from pathlib import Path
from typing import Any

from langchain_core.embeddings import Embeddings

from langchain_memlora import MemLoRAMemory
from langchain_memlora.bundles import TEXT_ROLES, Bundle, Role, load_bundle
from langchain_memlora.testing import ScriptedEngine

PROMPTS = {
    Role.EXTRACTION: "{dialogue}\n\nFacts:",
    Role.MEMORY_UPDATE: "Old: {old}\nNew: {new}\nWhich?",
    Role.GENERATION: "{context}\n\nQuestion: {question}",
}
_NUMBERED = re.compile(r"^(\d+) [^:\n]*: (.*)$", re.MULTILINE)
_PAIR = re.compile(r"^Old: (.*)\nNew: (.*)$", re.MULTILINE)


class WordCounts(Embeddings):
    """Embeds texts that share words near each other."""

    size = 32

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        vector = [0.01] * self.size  # never all zero: a cosine needs a direction
        for word in re.findall(r"\w+", text.lower()):
            vector[zlib.crc32(word.encode("utf-8", "replace")) % self.size] += 1
        length = math.hypot(*vector)
        return [x / length for x in vector]


def extract(prompt: str) -> str:
    """Extract one fact from each numbered message, without its "I"."""
    return "\n".join(f"{number} {text.removeprefix('I ')}" for number, text in _NUMBERED.findall(prompt)) or "none"


def decide(prompt: str) -> str:
    """Decide NONE for the same words, UPDATE between sentences that begin "User live in"."""
    found = _PAIR.search(prompt)
    assert found, prompt
    old, new = found.groups()
    if old == new:
        return "NONE"
    return "UPDATE" if all(text.startswith("User live in") for text in (old, new)) else "ADD"


@functools.cache
def plain_bundle() -> Bundle:
    """Return the shipped bundle with the dialect `lines`, plain prompts and nominal adapters, for the scripted engine."""
    shipped = load_bundle()
    card = shipped.card.model_copy(update={"dialect": "lines"})
    return dataclasses.replace(shipped, card=card, prompts=PROMPTS, adapters={role: Path("x") for role in TEXT_ROLES})


def open_memory(path: Path, **options: Any) -> MemLoRAMemory:
    """Open a memory with an embedded Chroma and rules in place of experts."""
    engine = ScriptedEngine(extraction=extract, memory_update=decide, generation=lambda prompt: prompt)
    defaults = {"path": path, "experts": plain_bundle(), "engine": engine, "embeddings": WordCounts(), "reranker": None}
    return MemLoRAMemory(**{**defaults, **options})
