"""Scores a bundle: held-out stories go through the whole pipeline, and its answers are compared with the gold ones."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from langchain_core.embeddings import Embeddings

from langchain_memlora.bundles import load_bundle
from langchain_memlora.engines.transformers import TransformersEngine
from langchain_memlora.experts import UNKNOWN, Experts
from langchain_memlora.experts.dialects.lines import read_fact
from langchain_memlora.graph import Services, build_remember_graph, build_respond_graph, compile_without_checkpointer
from langchain_memlora.lab.evaluation.metrics.token_f1 import token_f1
from langchain_memlora.lab.evaluation.metrics.words import normalize
from langchain_memlora.lab.temporary_index import temporary_index
from langchain_memlora.lab.training.stories import WHEN, Story
from langchain_memlora.ledger import Ledger
from langchain_memlora.retrieval import find_dates
from langchain_memlora.types import Scope, Turn

STEPS = 100_000


@dataclass(frozen=True)
class StoryScore:
    """Mean token F1 over the questions of held-out stories. Call it with a bundle's folder.

    Where a story does not have the answer, only `unknown` (or silence) scores, and it scores 1.

    Args:
        stories: Usually the held-out part of `training.build.split`.
        embeddings: For retrieval; default: the package's own.
        device: `auto`, `cpu`, `cuda`.

    Example:
        ```python
        from langchain_memlora.bundles import load_bundle
        from langchain_memlora.lab.training.build import split
        from langchain_memlora.lab.selection.scoring import StoryScore
        from langchain_memlora.lab.training.stories import load_stories

        score = StoryScore(split(load_stories())[1][:1])
        print(score(load_bundle().path))
        ```
    """

    stories: Sequence[Story]
    embeddings: Embeddings | None = None
    device: str = "auto"

    @property
    def name(self) -> str:
        """Measure and material: scores under another name are not comparable."""
        digest = hashlib.sha256("".join(story.model_dump_json() for story in self.stories).encode()).hexdigest()
        return f"stemmed token F1 on {sum(len(questions_of(story)) for story in self.stories)} questions ({digest[:8]})"

    def __call__(self, bundle_path: Path) -> float:
        """Return a score between 0 and 1."""
        bundle = load_bundle(bundle_path)
        with (
            tempfile.TemporaryDirectory() as folder,
            Ledger(Path(folder) / "ledger.sqlite3") as ledger,
            TransformersEngine(bundle, device=self.device) as engine,
        ):
            index = temporary_index(ledger, self.embeddings)
            services = Services(
                Experts(bundle, engine), ledger, index.retriever, lambda: index.synced, index.embeddings
            )
            scores = [score for story in self.stories for score in _play(story, services)]
        return sum(scores) / max(1, len(scores))


def _play(story: Story, services: Services) -> list[float]:
    """Add a story session by session, then ask its questions."""
    remember = compile_without_checkpointer(build_remember_graph(services), "remember")
    respond = compile_without_checkpointer(build_respond_graph(services), "respond")
    scope = Scope(story.id)
    sessions: dict[str, list[Turn]] = {}
    for turn, _ in story.turns():
        session = turn.id.rsplit(".", 1)[0]
        sessions.setdefault(session, []).append(replace(turn, id="", thread_id=session, message_id=turn.id))
    for turns in sessions.values():
        remember.invoke({"scope": scope, "turns": turns}, {"recursion_limit": STEPS})
    return [
        answer_f1(respond.invoke({"scope": scope, "question": question})["answer"], gold)
        for question, gold in questions_of(story)
    ]


def questions_of(story: Story) -> list[tuple[str, str]]:
    """Return questions with their gold answers, without those whose date can't be resolved."""
    facts = {fact.id: read_fact(fact.fact, turn) for turn, said in story.turns() for fact in said.facts}
    found = []
    for question in story.questions:
        dated = WHEN.fullmatch(question.a or "")
        spans = find_dates(facts[dated[1]].text, facts[dated[1]].observed_at) if dated else []
        gold = (spans[0].describe() if spans else None) if dated else question.a or UNKNOWN
        if gold is not None:
            found.append((question.q, gold))
    return found


def answer_f1(answer: str, gold: str) -> float:
    """Return the token F1 of an answer; `unknown`, like no answer, is right or wrong as a whole.

    Example:
        ```python
        from langchain_memlora.lab.selection.scoring import answer_f1

        assert answer_f1("In Rome.", "rome") == 2 / 3
        assert answer_f1("", "unknown") == 1
        ```
    """
    said, right = (normalize(text).split() or [UNKNOWN] for text in (answer, gold))
    if UNKNOWN in (said[0], right[0]):
        return float(said == right)
    return token_f1(answer, gold)
