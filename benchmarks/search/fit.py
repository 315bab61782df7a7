"""Fits the probabilities of `langchain_memlora/retrieval/relevance.py` and writes them there.

    python -m benchmarks.search.fit

Each question of a part of the shipped stories is searched in its own story, where candidates are relevant if a turn with the
answer states them; and as many searches are for nothing: questions of other stories, and messages that no memory helps with.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.search.memories import Filled, filled
from benchmarks.search.unrelated import FITTING
from langchain_memlora.lab.evaluation.conversations import Conversation
from langchain_memlora.lab.evaluation.datasets.histories import load_histories
from langchain_memlora.lab.training.json_lines import shipped
from langchain_memlora.models import default_embeddings
from langchain_memlora.models.reranker import cross_encoder
from langchain_memlora.retrieval import Candidate, Reranker, Retriever, relevance
from langchain_memlora.retrieval.cross_encoder import FIRST, combined

EVERY, READ = 40, 10
"""Of each file every fortieth story is searched; of each ranking the first ten candidates count."""
TARGET = Path(relevance.__file__)
Sample = tuple[float, bool]


class Recording(Reranker):
    """Keeps the candidates of the last search."""

    def __init__(self) -> None:
        self.seen: list[Candidate] = []

    def rerank(self, query: str, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Keep the candidates, and return them as they are."""
        self.seen = list(candidates)
        return self.seen


class Samples:
    """Scores of each stage with whether the candidate is relevant."""

    def __init__(self) -> None:
        self.first: list[Sample] = []
        self.late: list[Sample] = []
        self.cross: list[tuple[float, float, bool]] = []

    def add(self, memory: Filled, question: str, evidence: frozenset[str], *, cross: bool) -> None:
        """Search once and keep the scores."""
        recording = Recording()
        Retriever(memory.ledger, lambda: memory.index, reranker=recording).search(question, memory.scope)
        candidates = recording.seen
        if not candidates:
            return
        relevant = [bool(evidence & set(_messages(memory, one.id))) for one in candidates]
        first = [relevance.FIRST_STAGE.score_of(one.score) for one in candidates]
        self.first += list(zip(first, relevant, strict=True))[:READ]
        likeness = memory.late.likeness(question, candidates)
        order = np.argsort(-likeness)
        self.late += [(float(likeness[i]), relevant[i]) for i in order[:READ]]
        if cross:
            read = order[:FIRST]
            logits = cross_encoder().scores(question, [candidates[i].text for i in read])
            self.cross += [
                (float(likeness[i]), float(logit), relevant[i]) for i, logit in zip(read, logits, strict=True)
            ]


def _messages(memory: Filled, key: str) -> list[str]:
    found = memory.ledger.memories(memory.scope, ids=[key])
    keys = list(found[0].turn_ids) if found else [key]
    return [turn.message_id for turn in memory.ledger.turns(keys).values()]


def fit(samples: Sequence[Sample]) -> relevance.Logistic:
    """Fit a logistic regression by Newton's method."""
    x = np.array([[score, 1.0] for score, _ in samples])
    y = np.array([relevant for _, relevant in samples], dtype=np.float64)
    weights = np.zeros(2)
    for _ in range(50):
        p = 1 / (1 + np.exp(-x @ weights))
        hessian = x.T @ (x * (p * (1 - p))[:, None]) + 1e-6 * np.eye(2)
        weights += np.linalg.solve(hessian, x.T @ (y - p))
    return relevance.Logistic(round(float(weights[0]), 3), round(float(weights[1]), 3))


def searches(conversations: Sequence[Conversation], draw: random.Random) -> Iterator[tuple[int, str, frozenset[str]]]:
    """Yield the place of a conversation, a question, and its evidence: none where the conversation can't help."""
    for place, conversation in enumerate(conversations):
        own = [question for question in conversation.questions if question.evidence]
        others = [q.text for other in conversations if other is not conversation for q in other.questions]
        for question in own:
            yield place, question.text, question.evidence
            yield place, draw.choice(others) if draw.random() < 0.5 else draw.choice(FITTING), frozenset()


def main() -> None:
    """Fit, and rewrite the numbers."""
    conversations = [
        conversation
        for path in sorted(shipped("stories"))
        for conversation in load_histories(path)[::EVERY]
        if conversation.questions
    ]
    embeddings = default_embeddings()
    samples = Samples()
    planned = list(searches(conversations, random.Random(1)))
    for place, conversation in enumerate(conversations):
        with filled(conversation, embeddings, facts=True) as memory:
            for number, (_, question, evidence) in enumerate(one for one in planned if one[0] == place):
                samples.add(memory, question, evidence, cross=number < 2)
        print(place + 1, "of", len(conversations), "stories", flush=True)
    late = fit(samples.late)
    likely = [(float(late.probabilities([score])[0]), logit, relevant) for score, logit, relevant in samples.cross]
    joined = [(float(combined([p], np.array([logit]))[0]), relevant) for p, logit, relevant in likely]
    _write("FIRST_STAGE", repr(fit(samples.first)))
    _write("LATE_INTERACTION", repr(late))
    _write("CROSS_ENCODER", repr(fit(joined)))


def _write(name: str, value: str) -> None:
    text = TARGET.read_text(encoding="utf-8")
    TARGET.write_text(re.sub(rf"^{name} = .*$", f"{name} = {value}", text, flags=re.MULTILINE), encoding="utf-8")


if __name__ == "__main__":
    main()
