"""Tests of late interaction: the comparison itself, its cache, and searches without its model."""

from __future__ import annotations

import logging
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.vectorstores import InMemoryVectorStore
from support import ANA, BagOfWords, say
from support.tokens import SIZE, WordTokens

from langchain_memlora.errors import ModelNotFoundError
from langchain_memlora.indexes import VectorStoreIndex
from langchain_memlora.indexes.sync import SyncedIndex
from langchain_memlora.ledger import STOP_WORDS, Ledger, said
from langchain_memlora.retrieval import Candidate, LateInteraction, Retriever
from langchain_memlora.retrieval.late_interaction import STOP_WEIGHT
from langchain_memlora.retrieval.token_vectors import pack, unpack

NAME = "words/int4"
WORDS = ["cat", "tea", "Porto", "Luna", "the", "is", "where", "?"]
TEXTS = st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map(" ".join)


@pytest.fixture
def encoder() -> WordTokens:
    return WordTokens()


@pytest.fixture
def late(ledger: Ledger, encoder: WordTokens) -> LateInteraction:
    return LateInteraction(ledger, lambda: encoder, "words")


def retriever(ledger: Ledger, late: LateInteraction) -> Retriever:
    store = VectorStoreIndex(InMemoryVectorStore(BagOfWords()))
    synced = SyncedIndex(store, ledger, "bag", prepare=late.prepare)
    return Retriever(ledger, lambda: synced, reranker=late)


def candidate(text: str, before: str = "") -> Candidate:
    return Candidate(text, text, 0.5, before)


@settings(max_examples=30)
@given(st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_packed_vectors_keep_their_direction(tokens: int, seed: int) -> None:
    states = np.random.default_rng(seed).normal(size=(tokens, SIZE)).astype(np.float32)
    found = unpack(pack(states), SIZE)
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(states, axis=1)
    assert ((found * states).sum(axis=1) / lengths > 0.98).all()


def test_zero_vector_can_be_packed() -> None:
    assert not unpack(pack(np.zeros((2, SIZE), np.float32)), SIZE).any()


@settings(max_examples=30)
@given(question=TEXTS, texts=st.lists(st.tuples(TEXTS, st.none() | TEXTS), min_size=1, max_size=4))
def test_likeness_is_weighted_mean_of_best_tokens(
    ledger: Ledger, question: str, texts: list[tuple[str, str | None]]
) -> None:
    encoder = WordTokens()
    late = LateInteraction(ledger, lambda: encoder, "words")

    def best(text: str) -> list[float]:
        states = [encoder.states_of([ids])[0][1:-1] for ids in encoder.token_ids([question, text])]
        asked, told = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in states)
        return [max(float(word @ other) for other in told) for word in asked]

    weights = [STOP_WEIGHT if word in STOP_WORDS or word == "?" else 1.0 for word in question.lower().split()]

    def expected(text: str, before: str | None) -> float:
        alone, with_before = best(text), best(f"{before or text} {text}")
        return sum(w * (a + b) / 2 for w, a, b in zip(weights, alone, with_before, strict=True)) / sum(weights)

    found = late.likeness(question, [candidate(text, before or "") for text, before in texts])
    assert found == pytest.approx([expected(*pair) for pair in texts], abs=0.03)


def test_turn_before_lends_its_words(late: LateInteraction) -> None:
    ranked = late.rerank("Where is Luna?", [candidate("in Porto"), candidate("in Oslo", before="Where is Luna?")])
    assert [one.text for one in ranked] == ["in Oslo", "in Porto"]
    assert ranked[0].score > ranked[1].score


@settings(max_examples=30)
@given(st.permutations(["the cat", "tea in Porto", "Luna", "is", "?"]))
def test_order_does_not_depend_on_order_given(ledger: Ledger, texts: list[str]) -> None:
    late = LateInteraction(ledger, WordTokens, "words")
    ranked = late.rerank("where is Luna", [candidate(text) for text in texts])
    assert ranked[0].text == "Luna"
    scores = [one.score for one in ranked]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)


def test_question_in_other_script_keeps_order(late: LateInteraction, encoder: WordTokens) -> None:
    given = [candidate("tea"), candidate("猫はどこ")]
    assert late.rerank("猫はどこですか", given) == given
    assert not encoder.encoded


def test_empty_text_and_question_of_stop_words(late: LateInteraction) -> None:
    ranked = late.rerank("where is it?", [candidate(""), candidate("it is here")])
    assert [one.text for one in ranked] == ["it is here", ""]


def test_stored_texts_are_encoded_once(ledger: Ledger, late: LateInteraction, encoder: WordTokens) -> None:
    search = retriever(ledger, late).search
    for text in ("my cat is Luna", "I drink tea", "I live in Porto"):
        say(ledger, text)
    assert search("Luna", ANA)[0].text == "my cat is Luna"
    before = encoder.encoded
    search("tea", ANA)
    assert encoder.encoded == before + 1


def test_search_writes_nothing_to_cache(ledger: Ledger, late: LateInteraction) -> None:
    turn = say(ledger, "my cat is Luna")
    late.rerank("Luna", [candidate(said(turn))])
    assert not ledger.cached_bytes(NAME, [said(turn)])


def test_search_ranks_by_tokens(ledger: Ledger, late: LateInteraction) -> None:
    words = random.Random(2)
    for _ in range(80):
        say(ledger, " ".join(words.choices(["tea", "rain", "bread", "road", "stone"], k=9)) + f" {words.random()}")
    say(ledger, "Luna moved")
    hits = retriever(ledger, late).search("Where is Luna?", ANA, k=60)
    assert hits[0].text == "Luna moved"
    assert len(hits) == 60
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_missing_model_warns_once_and_searches_go_on(ledger: Ledger, caplog: pytest.LogCaptureFixture) -> None:
    def missing() -> WordTokens:
        msg = "model.onnx is truncated. Delete it."
        raise ModelNotFoundError(msg)

    say(ledger, "my cat is Luna")
    find = retriever(ledger, LateInteraction(ledger, missing, "words")).search
    with caplog.at_level(logging.WARNING):
        hits = [find("Luna", ANA) for _ in range(3)]
    assert [[hit.text for hit in found] for found in hits] == [["my cat is Luna"]] * 3
    assert [record.message.count("truncated") for record in caplog.records] == [1]
