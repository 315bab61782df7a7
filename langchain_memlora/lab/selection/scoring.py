"""How good a bundle is: held-out stories told to the whole pipeline, and its answers compared with the gold ones."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import InMemoryVectorStore

from langchain_memlora.bundles import load_bundle
from langchain_memlora.engines.transformers import TransformersEngine
from langchain_memlora.experts import UNKNOWN, Experts
from langchain_memlora.experts.dialects.lines import read_fact
from langchain_memlora.graph import Services, build_remember_graph, build_respond_graph, compile_without_checkpointer
from langchain_memlora.indexes import VectorStoreIndex
from langchain_memlora.indexes.embeddings import CachedEmbeddings
from langchain_memlora.indexes.sync import Synced
from langchain_memlora.lab.training.stories import WHEN, Story
from langchain_memlora.ledger import Ledger
from langchain_memlora.models import default_embeddings
from langchain_memlora.retrieval import Retriever, find_dates
from langchain_memlora.types import Scope, Turn

STEPS = 100_000
ARTICLES = {"a", "an", "the"}


@dataclass(frozen=True)
class StoryScore:
    """Mean token F1 over the questions of stories that training did not see. Call it with a bundle's folder.

    Where a story does not tell the answer, only `unknown` (or silence) scores, and it scores 1.

    Args:
        stories: Usually the held-out part of `training.build.split`.
        embeddings: What retrieval uses; default: the package's own.
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
        """What is measured, and on what: scores under another name are not comparable."""
        digest = hashlib.sha256("".join(story.model_dump_json() for story in self.stories).encode()).hexdigest()
        return f"token F1 on {sum(len(questions_of(story)) for story in self.stories)} questions ({digest[:8]})"

    def __call__(self, bundle_path: Path) -> float:
        """Between 0 and 1."""
        bundle = load_bundle(bundle_path)
        real = self.embeddings or default_embeddings()
        with (
            tempfile.TemporaryDirectory() as folder,
            Ledger(Path(folder) / "ledger.sqlite3") as ledger,
            TransformersEngine(bundle, device=self.device) as engine,
        ):
            cached = CachedEmbeddings(lambda: real, "scoring", ledger)
            synced = Synced(VectorStoreIndex(InMemoryVectorStore(cached)), ledger, "scoring")
            retriever = Retriever(ledger, lambda: synced)
            services = Services(Experts(bundle, engine), ledger, retriever, lambda: synced, cached)
            scores = [score for story in self.stories for score in _play(story, services)]
        return sum(scores) / max(1, len(scores))


def _play(story: Story, services: Services) -> list[float]:
    """Tell a story session by session, then ask its questions."""
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
        token_f1(respond.invoke({"scope": scope, "question": question, "usage": []})["answer"], gold)
        for question, gold in questions_of(story)
    ]


def questions_of(story: Story) -> list[tuple[str, str]]:
    """Questions with their gold answers; those whose date can't be resolved are left out."""
    facts = {fact.id: read_fact(fact.fact, turn) for turn, said in story.turns() for fact in said.facts}
    found = []
    for question in story.questions:
        dated = WHEN.fullmatch(question.a or "")
        spans = find_dates(facts[dated[1]].text, facts[dated[1]].observed_at) if dated else []
        gold = (spans[0].describe() if spans else None) if dated else question.a or UNKNOWN
        if gold is not None:
            found.append((question.q, gold))
    return found


def token_f1(answer: str, gold: str) -> float:
    """Harmonic mean of precision and recall over words, without case, punctuation and articles.

    Source: Rajpurkar et al., "SQuAD", 2016. `unknown` is right or wrong as a whole.

    Example:
        ```python
        from langchain_memlora.lab.selection.scoring import token_f1

        assert token_f1("In Rome.", "rome") == 2 / 3
        ```
    """
    said, expected = _words(answer) or [UNKNOWN], _words(gold)
    if UNKNOWN in (said[0], expected[0]):
        return float(said == expected)
    shared = sum((Counter(said) & Counter(expected)).values())
    return 2 * shared / (len(said) + len(expected))


def _words(text: str) -> list[str]:
    return [word for word in re.findall(r"\w+", text.casefold()) if word not in ARTICLES]
