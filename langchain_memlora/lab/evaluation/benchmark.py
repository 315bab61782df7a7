"""A whole run over conversations: choose questions, fill a store for each conversation, ask, score."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from langchain_memlora.bundles import Bundle, Role
from langchain_memlora.errors import InvalidInputError
from langchain_memlora.lab.evaluation.ask import ReaderLimits, ask
from langchain_memlora.lab.evaluation.conversations import Conversation
from langchain_memlora.lab.evaluation.datasets import Dataset
from langchain_memlora.lab.evaluation.fingerprint import bundle_sha256, history_sha256, surroundings
from langchain_memlora.lab.evaluation.ingest import ingest, ingestion_cost, is_ingested, store_path
from langchain_memlora.lab.evaluation.metric_embeddings import metric_embeddings
from langchain_memlora.lab.evaluation.metrics.facts import ReadWindow, score_extraction
from langchain_memlora.lab.evaluation.runs import RunFolder
from langchain_memlora.lab.evaluation.score import score_answers
from langchain_memlora.lab.evaluation.setups import MEMLORA, SETUPS, Setup
from langchain_memlora.lab.evaluation.windows import remembered_windows
from langchain_memlora.models import DEFAULT_EMBEDDER

if TYPE_CHECKING:
    from langchain_memlora.memory.memory import MemLoRAMemory


class OpenMemory(Protocol):
    """Opens the memory in a folder, with some of its experts switched off."""

    def __call__(self, *, path: Path, without: Sequence[Role] = ()) -> AbstractContextManager[MemLoRAMemory]: ...


class Watch(Protocol):
    """Receives the progress of a stage; `done` goes from 0 to `total`."""

    def __call__(self, stage: str, done: int, total: int) -> None: ...


def no_progress(stage: str, done: int, total: int) -> None:
    """No-op progress callback."""


@dataclass(frozen=True)
class Benchmark:
    """One data set, one bundle, one folder.

    Args:
        open_memory: Opens the memory to measure.
        bundle: The experts that `open_memory` loads, for the names of stores and for the record.
        out: The run's folder. A stopped run continues; more setups may be added to a finished one.
        stores: Folder of the filled memories; runs with the same folder share ingestion.
        embedder: Name of the embedder that `open_memory` uses.
        seed: Random seed of sampling and resampling.

    Example:
        ```python
        from langchain_memlora.lab.evaluation import Benchmark
        from langchain_memlora.lab.evaluation.datasets import DATASETS

        print(Benchmark.__doc__.splitlines()[0], *DATASETS)
        ```
    """

    dataset: Dataset
    open_memory: OpenMemory
    bundle: Bundle
    out: Path
    stores: Path
    embedder: str = DEFAULT_EMBEDDER
    reading: ReaderLimits = field(default_factory=ReaderLimits)
    seed: int = 0
    watch: Watch = no_progress

    def ingest(self, conversations: Sequence[Conversation], *, without: Sequence[Role] = ()) -> None:
        """Stage one: fill a store for each conversation that has none, in minutes each."""
        stage = "ingesting" + (f" without {', '.join(without)}" if without else "")
        total, done = sum(len(conversation.turns) for conversation in conversations), 0
        for conversation in conversations:
            store = self._store(conversation, without)
            if is_ingested(store, conversation):
                done += len(conversation.turns)
                self.watch(stage, done, total)
                continue
            with self.open_memory(path=store, without=without) as memory:
                before = done

                def count(turns: int) -> None:
                    nonlocal done
                    done += turns
                    self.watch(stage, done, total)

                ingest(memory, store, conversation, count)
                done = before + len(conversation.turns)

    def run(
        self, conversations: Sequence[Conversation], setups: Sequence[str] = (MEMLORA,), *, limit: int | None = None
    ) -> dict[str, Any]:
        """Run both stages and return the scores, which are also written into the run's folder.

        Args:
            limit: Ask only this many questions, sampled with the seed.

        Raises:
            InvalidInputError: An unknown setup, no question, or the folder holds another run.
        """
        chosen = find_setups(setups)
        picked = draw_questions(conversations, limit, self.seed)
        run = RunFolder(self.out, self._config(picked, limit))
        answered = {answer.key for answer in run.answers()}
        windows: list[ReadWindow] = []
        for without in dict.fromkeys(setup.writers_off for setup in chosen):
            group = [setup for setup in chosen if setup.writers_off == without]
            self.ingest(picked, without=without)
            for conversation in picked:
                with self.open_memory(path=self._store(conversation, without), without=without) as memory:
                    for setup in group:
                        self._ask(run, memory, setup, conversation, answered)
                    if not without:
                        windows += remembered_windows(memory, conversation) if conversation.facts else []
        first = chosen[0].writers_off
        with self.open_memory(path=self._store(picked[0], first), without=first) as memory:
            embeddings = metric_embeddings(memory)
            scores = {
                **score_answers(run.answers(), self.dataset.f1, embeddings, seed=self.seed),
                "ingestion": self._costs(picked),
                "extraction": score_extraction(embeddings, windows) if windows else None,
            }
        run.write_scores(scores)
        return scores

    def _ask(
        self,
        run: RunFolder,
        memory: MemLoRAMemory,
        setup: Setup,
        conversation: Conversation,
        answered: set[tuple[str, str]],
    ) -> None:
        left = [q for q in conversation.questions if (setup.name, q.id) not in answered]
        total = len(conversation.questions)
        done = total - len(left)
        for group in ask(memory, setup, conversation.id, left, self.reading):
            run.append(group)
            done += len(group)
            self.watch(f"asking {conversation.id}: {setup.name}", done, total)

    def _store(self, conversation: Conversation, without: Sequence[Role]) -> Path:
        return store_path(self.stores, self.bundle.without(*without), conversation, self.embedder)

    def _costs(self, conversations: Sequence[Conversation]) -> dict[str, Any]:
        return {conversation.id: ingestion_cost(self._store(conversation, ())) for conversation in conversations}

    def _config(self, conversations: Sequence[Conversation], limit: int | None) -> dict[str, Any]:
        questions = [asdict(q) | {"evidence": sorted(q.evidence)} for c in conversations for q in c.questions]
        return {
            "dataset": self.dataset.name,
            "source": self.dataset.source,
            "categories": dict(self.dataset.categories),
            "conversations": {
                c.id: {"turns": len(c.turns), "sessions": len(c.sessions), "questions": len(c.questions)}
                for c in conversations
            },
            "histories_sha256": [history_sha256(conversation) for conversation in conversations],
            "questions_sha256": hashlib.sha256(json.dumps(questions).encode()).hexdigest(),
            "limit": limit,
            "bundle": self.bundle.card.name,
            "bundle_sha256": bundle_sha256(self.bundle),
            "base": self.bundle.card.base.name,
            "embedder": self.embedder,
            "reading": asdict(self.reading),
            "seed": self.seed,
            "surroundings": surroundings(),
        }


def find_setups(names: Sequence[str]) -> list[Setup]:
    """Return setups by name, each once.

    Raises:
        InvalidInputError: There is no such setup.
    """
    if unknown := [name for name in names if name not in SETUPS]:
        msg = f"No setup {unknown[0]!r}. Choose among {', '.join(SETUPS)}."
        raise InvalidInputError(msg)
    return [SETUPS[name] for name in dict.fromkeys(names)]


def draw_questions(conversations: Sequence[Conversation], limit: int | None, seed: int) -> list[Conversation]:
    """Return the conversations with a sample of `limit` questions over all of them, without those left with none.

    Raises:
        InvalidInputError: No question is left.
    """
    questions = [question.id for conversation in conversations for question in conversation.questions]
    if not questions or (limit is not None and limit < 1):
        msg = (
            f"limit={limit} of {len(questions)} questions about {len(conversations)} conversations leaves none to ask. "
            "Choose other conversations, more sessions or a higher limit."
        )
        raise InvalidInputError(msg)
    kept = set(random.Random(seed).sample(questions, min(limit or len(questions), len(questions))))
    drawn = [replace(c, questions=tuple(q for q in c.questions if q.id in kept)) for c in conversations]
    return [conversation for conversation in drawn if conversation.questions]
