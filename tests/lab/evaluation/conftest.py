"""A tiny file in LoCoMo's format, and memories whose experts follow the plain rules of `support`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from langchain_core.vectorstores import InMemoryVectorStore
from support import BagOfWords, judge, tell

from langchain_memlora import MemLoRAMemory
from langchain_memlora.bundles import Bundle, Role
from langchain_memlora.engines import Completion, Engine, Request
from langchain_memlora.testing import ScriptedEngine


def read(prompt: str) -> str:
    """Answer with the note that shares most words with the question, without its speaker, else `unknown`."""
    context, question = prompt.split("\n\nQuestion: ")
    asked = set(question.lower().strip("?").split())
    notes = [line for line in context.splitlines() if ": " in line or line.startswith("- ")]
    best = max(notes, key=lambda line: len(asked & set(line.lower().split())), default="")
    return best.split(": ", 1)[-1].removeprefix("- ") or "unknown"


class Rules(Engine):
    """A scripted engine whose base model writes nothing useful."""

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self._scripted = ScriptedEngine(extraction=tell, memory_update=judge, generation=read)

    def compute(self, requests: Sequence[Request]) -> list[Completion]:
        self.asked += requests
        return [self._scripted.compute([r])[0] if r.role else _base(r) for r in requests]


def _base(request: Request) -> Completion:
    if request.choices:
        even = tuple(1 / len(request.choices) for _ in request.choices)
        return Completion(request.choices[0], even, 5, 1)
    return Completion("Sure! Here you go", (), 5, 4)


class Opener:
    """Opens memories by path; they keep their vectors, as if stored on disk.

    Attributes:
        opened: Path and switched-off experts of each memory.
        engines: The engine of each.
        crash_after: The engine fails after this many requests.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.opened: list[tuple[Path, tuple[Role, ...]]] = []
        self.engines: list[Rules] = []
        self._stores: dict[Path, InMemoryVectorStore] = {}

    def __call__(self, *, path: Path, without: Sequence[Role] = (), experts: Any = None) -> MemLoRAMemory:
        self.opened.append((path, tuple(without)))
        self.engines.append(Rules())
        store = self._stores.setdefault(path, InMemoryVectorStore(BagOfWords()))
        bundle = self.bundle.without(*without)
        return MemLoRAMemory(path=path, experts=bundle, engine=self.engines[-1], index=store, reranker=None)

    @property
    def asked(self) -> list[Request]:
        """Every request to every engine."""
        return [request for engine in self.engines for request in engine.asked]


@pytest.fixture
def opener(bundle: Bundle) -> Opener:
    return Opener(bundle)


@pytest.fixture
def locomo_file(tmp_path: Path) -> Path:
    """Two conversations of two sessions in LoCoMo's published shape."""
    file = tmp_path / "locomo10.json"
    file.write_text(json.dumps([_sample("conv-1", "Ana", "Ben"), _sample("conv-2", "Cleo", "Dan")]))
    return file


def _sample(name: str, a: str, b: str) -> dict[str, Any]:
    def message(session: int, number: int, speaker: str, text: str, **more: str) -> dict[str, str]:
        return {"speaker": speaker, "dia_id": f"D{session}:{number}", "text": text, **more}

    return {
        "sample_id": name,
        "conversation": {
            "speaker_a": a,
            "speaker_b": b,
            "session_1_date_time": "1:56 pm on 8 May, 2023",
            "session_1": [
                message(1, 1, a, "I live in Porto"),
                message(1, 2, b, "I play the cello", blip_caption="a cello", query="secret answer"),
                message(1, 3, a, "hm nice"),
            ],
            "session_2_date_time": "9:00 am on 20 May, 2023",
            "session_2": [message(2, 1, a, "I live in Berlin"), message(2, 2, b, "I adopted two cats and a dog")],
            "session_3_date_time": "9:00 am on 21 May, 2023",
        },
        "observation": {
            "session_1_observation": {a: [[f"{a} live in Porto", "D1:1"]], b: [[f"{b} play the cello", ["D1:2"]]]},
            "session_2_observation": {a: [[f"{a} live in Berlin", "D2:1"]], b: []},
        },
        "qa": [
            {"question": f"What does {b} play?", "answer": "cello", "evidence": ["D1:2"], "category": 4},
            {"question": f"Which pets has {b}?", "answer": "cats, dog", "evidence": ["D2:2"], "category": 1},
            {"question": f"Where does {a} live?", "answer": "Berlin", "evidence": ["D1:1; D2:1"], "category": 4},
            {"question": f"What did {a} steal?", "adversarial_answer": "x", "evidence": ["D1:1"], "category": 5},
        ],
    }
