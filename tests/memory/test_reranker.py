"""Tests of the second stage as callers see it: what may be passed, and what the scores of hits mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.callbacks import Callbacks
from langchain_core.documents import BaseDocumentCompressor, Document
from support import MAY_8, MAY_15
from support.files import files_with
from support.tokens import WordTokens

from langchain_memlora import MemLoRAMemory, Retention
from langchain_memlora.errors import InvalidInputError
from langchain_memlora.ledger import Ledger
from langchain_memlora.retrieval import Candidate, CrossEncoder, LateInteraction, Reranker
from langchain_memlora.retrieval.compressor import CompressorReranker
from tests.integrations.agents import agent_with
from tests.integrations.agents import say as ask

Make = Callable[..., MemLoRAMemory]
NAME = "words/int4"
FACTS = ("my cat is Luna", "I drink green tea", "I live in Porto")


class Compressor(BaseDocumentCompressor):
    """Applies a function to the documents."""

    change: Callable[[list[Document]], list[Document]]

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> Sequence[Document]:
        return self.change(list(documents))


class Backwards(Reranker):
    """Reverses the order, and is sure of all."""

    def rerank(self, query: str, candidates: Sequence[Candidate]) -> list[Candidate]:
        return [Candidate(one.id, one.text, 1.0) for one in reversed(candidates)]


def filled(make_memory: Make, reranker: Any) -> MemLoRAMemory:
    memory = make_memory(reranker=reranker)
    for fact in FACTS:
        memory.add(fact, user_id="ana", infer=False)
    return memory


def found(memory: MemLoRAMemory, query: str = "my cat Luna", **options: Any) -> list[str]:
    return [hit.text for hit in memory.search(query, user_id="ana", **options)]


def test_compressor_orders_hits(make_memory: Make) -> None:
    plain = found(filled(make_memory, None))
    memory = make_memory(reranker=Compressor(change=lambda documents: documents[::-1]))
    assert found(memory) == plain[::-1] != plain


def test_documents_left_out_are_no_hits(make_memory: Make) -> None:
    kept = Compressor(change=lambda documents: [one for one in documents if "tea" in one.page_content])
    memory = filled(make_memory, kept)
    assert found(memory) == ["I drink green tea"]
    assert found(make_memory(reranker=Compressor(change=lambda documents: []))) == []


def test_relevance_of_compressor_becomes_score(make_memory: Make) -> None:
    def graded(documents: list[Document]) -> list[Document]:
        return [Document(one.page_content, metadata=one.metadata | {"relevance_score": 0.25}) for one in documents]

    hits = filled(make_memory, Compressor(change=graded)).search("my cat Luna", user_id="ana")
    assert {hit.score for hit in hits} == {0.25}


def test_documents_without_metadata_are_an_error(make_memory: Make) -> None:
    bare = Compressor(change=lambda documents: [Document(one.page_content) for one in documents])
    with pytest.raises(InvalidInputError, match="Compressor returned a document without the metadata"):
        found(filled(make_memory, bare))


@settings(max_examples=30)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.randoms())
def test_scores_never_rise(scores: list[float], order: Any) -> None:
    def shuffled(documents: list[Document]) -> list[Document]:
        order.shuffle(documents)
        return documents

    given = [Candidate(str(place), "text", score) for place, score in enumerate(scores)]
    ranked = CompressorReranker(Compressor(change=shuffled)).rerank("query", given)
    after = [one.score for one in ranked]
    assert after == sorted(after, reverse=True)
    assert {one.id for one in ranked} == {one.id for one in given}
    assert max(after) == max(scores)


def test_own_stage_is_used(make_memory: Make) -> None:
    plain = found(filled(make_memory, None))
    assert found(make_memory(reranker=Backwards())) == plain[::-1]


@pytest.mark.parametrize("kept", [0, 1, 3])
def test_each_candidate_is_reranked_once(make_memory: Make, kept: int) -> None:
    seen: list[str] = []

    class First(Reranker):
        def rerank(self, query: str, candidates: Sequence[Candidate]) -> list[Candidate]:
            seen.extend(one.id for one in candidates)
            return list(candidates[:kept])

    memory = make_memory(reranker=First())
    memory.add([f"I own {number} cats" for number in range(40)], user_id="ana", infer=False)
    assert min(kept, 1) <= len(found(memory, "cats")) <= kept  # a memory and its turn are one hit
    assert len(seen) == len(set(seen)) > 30


@pytest.mark.parametrize("reranker", ["colbert", 3, object()])
def test_unusable_reranker_is_an_error(make_memory: Make, reranker: Any) -> None:
    with pytest.raises(InvalidInputError, match="reranker="):
        make_memory(reranker=reranker)


def test_cross_encoder_ranks_what_late_interaction_found(ledger: Ledger) -> None:
    class Tea:
        def scores(self, query: str, texts: Sequence[str]) -> Any:
            import numpy as np

            return np.array([20.0 if "tea" in text else -20.0 for text in texts])

    stage = CrossEncoder(LateInteraction(ledger, WordTokens, "words"), Tea)
    ranked = stage.rerank("cat", [Candidate(text, text, 0.5) for text in (*FACTS, *(f"cat {n}" for n in range(30)))])
    assert len(ranked) == 33
    scores = [one.score for one in ranked]
    assert scores == sorted(scores, reverse=True)
    assert not stage.rerank("cat", [])


def test_min_score_leaves_out_what_is_unlikely(make_memory: Make) -> None:
    memory = filled(make_memory, None)
    hits = memory.search("my cat Luna", user_id="ana")
    assert 1 > hits[0].score > hits[-1].score > 0
    assert found(memory, min_score=hits[0].score) == [hits[0].text]
    assert found(memory, min_score=1) == []
    assert len(found(memory.for_user("ana")._memory)) == len(hits)
    assert memory.for_user("ana").search("my cat Luna", min_score=1) == []


@pytest.mark.parametrize("min_score", [-0.1, 1.5, "0.5", None, True, float("nan")])
def test_unusable_min_score_is_an_error(memory: MemLoRAMemory, min_score: Any) -> None:
    with pytest.raises(InvalidInputError, match="min_score="):
        memory.search("tea", user_id="ana", min_score=min_score)
    with pytest.raises(InvalidInputError, match="min_score="):
        memory.as_middleware(user_id="ana", min_score=min_score)
    with pytest.raises(InvalidInputError, match="min_score="):
        memory.as_tools(user_id="ana", min_score=min_score)


def test_agent_recalls_nothing_below_floor(make_memory: Make, ledger: Ledger) -> None:
    memory = filled(make_memory, LateInteraction(ledger, WordTokens, "words"))
    agent, model = agent_with(memory, user_id="ana")
    ask(agent, "Say 17 by 23!")
    assert "Luna" not in str(model.seen)
    ask(agent, "my cat is")
    assert "Luna" in str(model.seen)


def test_tools_and_retriever_take_a_floor(make_memory: Make) -> None:
    memory = filled(make_memory, None)
    search = memory.as_tools(user_id="ana", min_score=1)[0]
    assert search.invoke({"query": "my cat Luna"}) == "Nothing is remembered about this."
    assert memory.as_retriever(user_id="ana", min_score=1).invoke("my cat Luna") == []


@pytest.mark.parametrize("backend", ["memory", "chroma"])
def test_forget_erases_token_vectors(make_memory: Make, ledger: Ledger, backend: str) -> None:
    memory = make_memory(ledger=ledger, reranker=LateInteraction(ledger, WordTokens, "words"))
    texts = ["I own a zebrafish", "I feed my zebrafish", "hm"]
    memory.add(texts[0], user_id="ana", infer=False)
    memory.add(texts[1:], user_id="ana", observed_at=MAY_8)
    memory.add("I own a cat", user_id="ben", infer=False)
    memory.search("zebrafish", user_id="ana")
    assert len(ledger.cached_bytes(NAME, texts)) == 3
    tokens = ledger.cached_bytes(NAME, texts[:1])[texts[0]]
    memory.forget(user_id="ana")
    assert not ledger.cached_bytes(NAME, texts)
    assert len(ledger.cached_bytes(NAME, ["I own a cat"])) == 1
    assert not files_with(tokens, memory.path.parent)


def test_retention_erases_token_vectors(make_memory: Make, ledger: Ledger) -> None:
    late = LateInteraction(ledger, WordTokens, "words")
    memory = make_memory(ledger=ledger, reranker=late, retention=Retention(turns=1))
    memory.add("I own a zebrafish", user_id="ana", observed_at=MAY_8)
    assert ledger.cached_bytes(NAME, ["I own a zebrafish"])
    memory.add("hm", user_id="ana", observed_at=MAY_15)
    assert not ledger.cached_bytes(NAME, ["I own a zebrafish"])
    assert ledger.cached_bytes(NAME, ["hm"])


@pytest.mark.model
@pytest.mark.parametrize("reranker", ["late-interaction", "cross-encoder"])
def test_shipped_models_know_what_matters(make_memory: Make, reranker: str) -> None:
    memory = make_memory(reranker=reranker)
    for fact in ("My cat is called Nettle.", "I am allergic to peanuts.", "My sister lives in Porto."):
        memory.add(fact, user_id="ana", infer=False)
    assert found(memory, "What is my pet's name?")[0] == "My cat is called Nettle."
    assert found(memory, "Which food is dangerous for me?")[0] == "I am allergic to peanuts."
    agent, model = agent_with(memory, user_id="ana")
    ask(agent, "What is 17 times 23?")
    assert "Nettle" not in str(model.seen)
    ask(agent, "Where does my sister live?")
    assert "Porto" in str(model.seen)
