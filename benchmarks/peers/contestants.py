"""The contestants. Each gets message pairs and questions; sizes are small, stages are the same."""

from __future__ import annotations

import importlib.util
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.peers.material import Pair
from benchmarks.peers.metered import Metered
from langchain_memlora import MemLoRAMemory
from langchain_memlora.bundles import Role, load_bundle
from langchain_memlora.engines.base import Request
from langchain_memlora.models import default_embeddings

USER = "c1"
FAST = "openvino" if importlib.util.find_spec("openvino") else "transformers"
LENGTHS = {
    "paper's form": {str(Role.EXTRACTION): 30, str(Role.MEMORY_UPDATE): 55},
    "mem0, forced": {str(Role.EXTRACTION): 21, str(Role.MEMORY_UPDATE): 87},
}
"""Tokens written a call with Gemma2-2B, from Table A7 of arXiv 2512.04763. Our experts score and write none."""
NEIGHBOURS = 5
READ = "{notes}\n\n{question}\nShort answer from the notes, or: unknown"


class Contestant(ABC):
    """A memory, or a baseline without one.

    Args:
        engine: The engine; `close` stops its worker.
        home: An empty folder for its data.
    """

    def __init__(self, engine: Metered, home: Path) -> None:
        self.engine, self.home = engine, home

    @abstractmethod
    def add(self, pair: Pair) -> None:
        """Add two messages."""

    def ask(self, question: str) -> str:
        """Answer a question from the added messages. Contestants with forced lengths are not asked."""
        raise NotImplementedError

    def known(self) -> list[str]:
        """Return the stored facts."""
        return []

    def warm(self) -> None:
        """Load everything before the clock runs."""
        self.engine.warm()

    def close(self) -> None:
        """Release all resources."""
        self.engine.close()


class MemLoRA(Contestant):
    """This package with its fastest engine."""

    def __init__(self, engine: Metered, home: Path) -> None:
        super().__init__(engine, home)
        self.memory = MemLoRAMemory(path=home, engine=engine)

    def add(self, pair: Pair) -> None:
        pair.add_to(self.memory, USER)

    def ask(self, question: str) -> str:
        return self.memory.answer(question, user_id=USER).text

    def known(self) -> list[str]:
        return [memory.text for memory in self.memory.get_all(user_id=USER)]

    def warm(self) -> None:
        self.memory.warm()

    def close(self) -> None:
        self.memory.close()
        super().close()


class PaperForm(Contestant):
    """The paper's form: JSON in and out, an update call on every pair, facts only. Lengths and facts are forced."""

    extraction = 'Extract the facts about the speakers from this dialogue as JSON {{"facts": [...]}}.\n{dialogue}'
    update = (
        'Old memories: {old}\nNew facts: {new}\nAnswer as JSON {{"memory": [{{"id", "text", "event", "old_memory"}}]}} '
        "with event ADD, UPDATE, DELETE or NONE."
    )

    def __init__(self, engine: Metered, home: Path) -> None:
        from langchain_chroma import Chroma

        super().__init__(engine, home)
        self.embeddings = default_embeddings()
        self.store = Chroma("facts", self.embeddings, persist_directory=str(home))
        self.facts: list[str] = []

    def add(self, pair: Pair) -> None:
        dialogue = " ".join(f"{turn.speaker}: {turn.text}" for turn in pair.turns)
        self.engine.run([Request(Role.EXTRACTION, self.extraction.format(dialogue=dialogue))])
        near = [document.page_content for query in pair.facts for document in self.near(query)]
        old = json.dumps([{"id": str(i), "text": text} for i, text in enumerate(dict.fromkeys(near))])
        self.engine.run([Request(Role.MEMORY_UPDATE, self.update.format(old=old, new=json.dumps(pair.facts)))])
        if pair.facts:
            self.store.add_texts(list(pair.facts))
            self.facts += pair.facts

    def near(self, query: str) -> Sequence[Any]:
        return self.store.similarity_search(query, NEIGHBOURS) if self.facts else []

    def known(self) -> list[str]:
        return self.facts

    def warm(self) -> None:
        super().warm()
        self.embeddings.embed_query("warm")


class WholeHistory(Contestant):
    """No memory: the base model reads the whole history for every question."""

    def __init__(self, engine: Metered, home: Path) -> None:
        super().__init__(engine, home)
        self.lines: list[str] = []
        self.engine.stage = str(Role.GENERATION)

    def add(self, pair: Pair) -> None:
        self.lines += [f"{turn.observed_at:%d %B %Y} {turn.speaker}: {turn.text}" for turn in pair.turns]

    def ask(self, question: str) -> str:
        prompt = READ.format(notes="\n".join(self.lines), question=question)
        return self.engine.run([Request(None, prompt, 32)])[0].text


def engine(name: str, threads: int) -> Any:
    """Return an engine by name; `plain` is PEFT's own `generate` without guesses from the prompt."""
    if name == "openvino":
        from langchain_memlora.engines.openvino import OpenVINOEngine

        return OpenVINOEngine(load_bundle(), threads=threads)
    import torch

    from langchain_memlora.engines.transformers import TransformersEngine

    torch.set_num_threads(threads)
    return TransformersEngine(load_bundle(), prompt_lookup=name != "plain")
