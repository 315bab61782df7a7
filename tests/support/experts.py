"""Experts that follow plain rules, in the dialect `lines`, and their prompts."""

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path

from langchain_memlora.bundles import DEFAULT_BUNDLE, TEXT_ROLES, Bundle, Role, load_bundle

PROMPTS = {
    Role.EXTRACTION: "{dialogue}\n\nFacts:",
    Role.MEMORY_UPDATE: "Old: {old}\nNew: {new}\nWhich?",
    Role.GENERATION: "{context}\n\nQuestion: {question}",
}


def plain_bundle(name: str = DEFAULT_BUNDLE, prompts: Mapping[Role, str] = PROMPTS) -> Bundle:
    """Return a shipped bundle with the dialect `lines`, plain prompts and placeholder adapters, for the scripted engine."""
    shipped = load_bundle(name)
    return dataclasses.replace(
        shipped,
        card=shipped.card.model_copy(update={"dialect": "lines"}),
        prompts={**shipped.prompts, **prompts},
        adapters={role: Path("x") for role in TEXT_ROLES},
    )


def tell(prompt: str) -> str:
    """Extract each numbered message without its "I"; "forget X" is a retraction, "hm ..." holds no fact."""
    rows = []
    for number, text in re.findall(r"^(\d+) [^:\n]*: (.*)$", prompt, re.M):
        if text.startswith("forget "):
            rows.append(f"{number} forget: {text.removeprefix('forget ').removeprefix('I ')}")
        elif not text.startswith("hm"):
            rows.append(f"{number} {text.removeprefix('I ')}")
    return "\n".join(rows) or "none"


def pair(prompt: str) -> tuple[str, str]:
    """Return the old and the new sentence of a memory_update prompt."""
    found = re.search(r"^Old: (.*)\nNew: (.*)$", prompt, re.M)
    assert found, prompt
    return found[1], found[2]


def judge(prompt: str) -> str:
    """Decide an update: equal texts are NONE, equal first three words UPDATE, "forget that X" deletes X, else ADD."""
    old, new = pair(prompt)
    if new.startswith("forget that "):
        return "DELETE" if new.removeprefix("forget that ").strip(". ") == old.strip(". ") else "ADD"
    if old == new:
        return "NONE"
    return "UPDATE" if old.split()[:3] == new.split()[:3] else "ADD"
