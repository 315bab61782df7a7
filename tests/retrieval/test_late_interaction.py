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
from langchain_memlora.retrieval.late_interaction import QUESTION, REPLY, STOP_WEIGHT
from langchain_memlora.retrieval.questions import question_share
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


def candidate(text: str, *before: str, memories: tuple[str, ...] = (), is_reply: bool = False) -> Candidate:
    return Candidate(text, text, 0.5, before, memories, is_reply)


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
@given(
    question=TEXTS,
    text=TEXTS,
    before=st.lists(TEXTS, max_size=2),
    memories=st.lists(TEXTS, max_size=2),
    is_reply=st.booleans(),
)
def test_likeness_is_mean_over_turns_before(
    ledger: Ledger, question: str, text: str, before: list[str], memories: list[str], is_reply: bool
) -> None:
    encoder = WordTokens()
    late = LateInteraction(ledger, lambda: encoder, "words")
    words = question.lower().split()
    weights = [STOP_WEIGHT if word in STOP_WORDS or word == "?" else 1.0 for word in words]

    def likeness_to(passage: str) -> float:
        asked, told = ([_direction(encoder, word) for word in part] for part in (words, passage.lower().split()))
        best = [max(float(word @ other) for other in told) for word in asked]
        return sum(w * b for w, b in zip(weights, best, strict=True)) / sum(weights)

    passages = [" ".join([text, *memories, *before[:count]]) for count in range(len(before) + 1)]
    expected = sum(map(likeness_to, passages)) / len(passages) - QUESTION * question_share(text) - REPLY * is_reply
    one = candidate(text, *before, memories=tuple(memories), is_reply=is_reply)
    assert late.likeness(question, [one]) == pytest.approx([expected], abs=0.03)


def _direction(encoder: WordTokens, word: str) -> np.ndarray:
    state = encoder.states_of(encoder.token_ids([word]))[0][1]
    unit: np.ndarray = state / np.linalg.norm(state)
    return unit


@pytest.mark.parametrize("turns_before", [1, 2])
def test_turns_before_lend_their_words(late: LateInteraction, turns_before: int) -> None:
    before = ["tea"] * (turns_before - 1) + ["Where is Luna?"]
    ranked = late.rerank("Where is Luna?", [candidate("in Porto"), candidate("in Oslo", *before)])
    assert [one.text for one in ranked] == ["in Oslo", "in Porto"]
    assert ranked[0].score > ranked[1].score


def test_memories_lend_their_words_to_their_turn(late: LateInteraction) -> None:
    ranked = late.rerank(
        "Where is Luna?", [candidate("in Porto"), candidate("she moved", memories=("Luna is in Oslo",))]
    )
    assert ranked[0].text == "she moved"


def test_statement_of_person_outranks_question_and_reply(late: LateInteraction) -> None:
    given = [candidate("Luna moved?"), candidate("Luna moved"), candidate("Luna moved.", is_reply=True)]
    assert [one.text for one in late.rerank("Luna", given)] == ["Luna moved", "Luna moved?", "Luna moved."]


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("", 0),
        ("I moved.", 0),
        ("Where to?", 1),
        ("どこ？", 1),
        ("Hi! And you?", 9 / 12),
        ("?", 0),
        ("Is it?! Yes.", 0.5),
    ],
)
def test_question_share(text: str, share: float) -> None:
    assert question_share(text) == pytest.approx(share, abs=0.1)


@given(st.text())
def test_question_share_is_a_share(text: str) -> None:
    assert 0 <= question_share(text) <= 1


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
