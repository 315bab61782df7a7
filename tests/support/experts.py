"""Experts that follow plain rules, and their prompts."""

import re

from langchain_memlora.bundles import Role

PROMPTS = {
    Role.EXTRACTION: "{dialogue}\n\nFacts:",
    Role.MEMORY_UPDATE: "Old: {old}\nNew: {new}\nWhich?",
    Role.GENERATION: "{context}\n\nQuestion: {question}",
}


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
