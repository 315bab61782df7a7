"""What the tests share: people, turns, an embedder for which nearness is word overlap, and experts with plain rules."""

from __future__ import annotations

import math
import re
import threading
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime

from langchain_core.embeddings import Embeddings

from langchain_memlora.bundles import Role
from langchain_memlora.ledger import Ledger, NewOperation, new_id
from langchain_memlora.types import Event, Memory, Operation, Scope, Turn

ANA, BEN = Scope("ana"), Scope("ben")
MAY_8 = datetime(2024, 5, 8, 12, tzinfo=UTC)
MAY_15 = datetime(2024, 5, 15, 12, tzinfo=UTC)
PROMPTS = {
    Role.EXTRACTION: "{dialogue}\n\nFacts:",
    Role.MEMORY_UPDATE: "Old: {old}\nNew: {new}\nWhich?",
    Role.GENERATION: "{context}\n\nQuestion: {question}",
}


class BagOfWords(Embeddings):
    """Counts words in 256 bins; texts that share words are near. Remembers what it embedded."""

    size = 256

    def __init__(self) -> None:
        self.embedded: list[str] = []
        self._lock = threading.Lock()

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        with self._lock:
            self.embedded += texts
        return [self._vector(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]

    def _vector(self, text: str) -> list[float]:
        vector = [0.01] * self.size  # never all zero: Chroma's cosine needs a direction
        for word in re.findall(r"\w+", text.lower()):
            vector[zlib.crc32(word.encode("utf-8", "replace")) % self.size] += 1
        length = math.hypot(*vector)
        return [x / length for x in vector]


# -- experts by rule ---------------------------------------------------------------------------------------------


def tell(prompt: str) -> str:
    """Extraction: each numbered message is a fact without its "I"; "forget X" asks to forget, "hm ..." tells nothing."""
    rows = []
    for number, text in re.findall(r"^(\d+) [^:\n]*: (.*)$", prompt, re.M):
        if text.startswith("forget "):
            rows.append(f"{number} forget: {text.removeprefix('forget ').removeprefix('I ')}")
        elif not text.startswith("hm"):
            rows.append(f"{number} {text.removeprefix('I ')}")
    return "\n".join(rows) or "none"


def pair(prompt: str) -> tuple[str, str]:
    """The old and the new sentence of a memory_update prompt."""
    found = re.search(r"^Old: (.*)\nNew: (.*)$", prompt, re.M)
    assert found, prompt
    return found[1], found[2]


def judge(prompt: str) -> str:
    """Memory update: the same words say the same; the same first three words supersede; "forget that X" deletes X."""
    old, new = pair(prompt)
    if new.startswith("forget that "):
        return "DELETE" if new.removeprefix("forget that ").strip(". ") == old.strip(". ") else "ADD"
    if old == new:
        return "NONE"
    return "UPDATE" if old.split()[:3] == new.split()[:3] else "ADD"


# -- the ledger by hand --------------------------------------------------------------------------------------------


def turn(text: str, mid: str = "", *, scope: Scope = ANA, at: datetime = MAY_8, **fields: object) -> Turn:
    """A turn as `add` would make it."""
    values = {"role": "user", "message_id": mid or text, **fields}
    return Turn(id=str(values.pop("id", "")), scope=scope, text=text, observed_at=at, **values)  # type: ignore[arg-type]


def no_jobs(new: Sequence[Turn], before: Sequence[Turn]) -> list[tuple[Sequence[Turn], Sequence[Turn]]]:
    """Cut nothing."""
    return []


def one_job(new: Sequence[Turn], before: Sequence[Turn]) -> list[tuple[Sequence[Turn], Sequence[Turn]]]:
    """All new turns in one job."""
    return [(before, new)]


def say(ledger: Ledger, text: str, scope: Scope = ANA, at: datetime = MAY_8, **fields: object) -> Turn:
    """Store one turn."""
    return ledger.append(scope, [turn(text, scope=scope, at=at, **fields)], no_jobs)[0][0]


def add(ledger: Ledger, text: str, scope: Scope = ANA, told_by: Turn | None = None, **fields: object) -> str:
    """Add a memory; gives its id."""
    key = new_id()
    change(ledger, Event.ADD, key, text, scope, told_by, **fields)
    return key


def change(
    ledger: Ledger,
    event: Event,
    key: str,
    text: str = "",
    scope: Scope = ANA,
    told_by: Turn | None = None,
    **fields: object,
) -> Operation:
    """Apply one change."""
    observed_at = told_by.observed_at if told_by else None
    what = NewOperation(event, key, text, turn_id=told_by.id if told_by else None, observed_at=observed_at, **fields)  # type: ignore[arg-type]
    return ledger.commit(scope, [what])[0]


def the(ledger: Ledger, key: str, scope: Scope = ANA) -> Memory:
    """One memory, deleted or not."""
    return ledger.memories(scope, ids=[key], deleted=True)[0]


def texts(memories: Sequence[Memory]) -> list[str]:
    """Their texts."""
    return [memory.text for memory in memories]
