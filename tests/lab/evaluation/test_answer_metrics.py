"""Tests of the answer metrics on cases computed by hand."""

from __future__ import annotations

import math

import pytest
from support import BagOfWords

from langchain_memlora.lab.evaluation.metrics.evidence import all_found, any_found
from langchain_memlora.lab.evaluation.metrics.overlap import bleu1, exact_match, rouge1
from langchain_memlora.lab.evaluation.metrics.similarity import similarities
from langchain_memlora.lab.evaluation.metrics.staleness import is_stale
from langchain_memlora.lab.evaluation.metrics.token_f1 import abstains, list_f1, locomo_f1, token_f1
from langchain_memlora.lab.evaluation.metrics.words import stems


def test_words_are_stemmed_and_normalised() -> None:
    assert stems("The dog's hobbies, and a cat!") == ["dog", "hobbi", "cat"]
    assert stems("1,000 people") == ["1000", "peopl"]
    assert stems("") == []


@pytest.mark.parametrize(
    ("prediction", "gold", "score"),
    [
        ("Berlin", "berlin.", 1.0),
        ("in Berlin", "Berlin", 2 / 3),
        ("paintings", "painting", 1.0),
        ("cat cat", "cat", 2 / 3),
        ("unknown", "Berlin", 0.0),
        ("", "Berlin", 0.0),
        ("the", "a", 0.0),
    ],
)
def test_token_f1(prediction: str, gold: str, score: float) -> None:
    assert token_f1(prediction, gold) == pytest.approx(score)
    assert token_f1(gold, prediction) == pytest.approx(score)


def test_list_f1_scores_parts() -> None:
    assert list_f1("dog, cats", "cats, dog") == 1.0
    assert list_f1("cats", "cats, dog") == 0.5
    assert list_f1("cats, birds, fish", "cats") == 1.0  # as published: what is said too much costs nothing
    assert token_f1("cats, birds, fish", "cats") == 0.5


def test_locomo_f1_by_category() -> None:
    assert locomo_f1("cats", "cats, dog", "1") == 0.5
    assert locomo_f1("cats", "cats, dog", "4") == pytest.approx(2 / 3)
    assert locomo_f1("yes", "yes; she likes it", "3") == 1.0
    assert locomo_f1("yes", "yes; she likes it", "2") < 1.0


def test_only_published_phrases_abstain() -> None:
    assert abstains("No information available.")
    assert abstains("It is not mentioned")
    assert not abstains("Berlin")


def test_overlap_metrics() -> None:
    assert exact_match("the Dog and cat", "cat dog") == 1.0
    assert exact_match("dog", "cat dog") == 0.0
    assert bleu1("a big dog", "big dog") == 1.0
    assert bleu1("dog", "big brown dog") == pytest.approx(math.exp(1 - 3))
    assert bleu1("dog dog", "big dog") == 0.5
    assert bleu1("", "dog") == 0.0
    assert rouge1("a painting", "a paintings") == 1.0
    assert rouge1("the dog", "dog") == pytest.approx(2 / 3)


def test_similarity_of_blank_text_is_zero() -> None:
    near = similarities(BagOfWords(), [("big dog", "big dog"), ("", "dog"), ("dog", "cat")])
    assert near[0] == pytest.approx(1.0)
    assert near[1] == 0.0
    assert near[2] < 0.1
    assert similarities(BagOfWords(), []) == []


def test_evidence_found_by_any_or_all() -> None:
    hits = [["D1:1"], ["D2:5", "D2:6"], ["D9:9"]]
    assert any_found(hits, {"D2:6", "D9:9"}, 2)
    assert not any_found(hits, {"D2:6", "D9:9"}, 1)
    assert not all_found(hits, {"D2:6", "D9:9"}, 2)
    assert all_found(hits, {"D2:6", "D9:9"}, 3)


def test_stale_answer_repeats_old_fact() -> None:
    asked = "Where does the user live?"
    assert is_stale("Porto", "Berlin", "User lives in Porto", asked)
    assert not is_stale("Berlin", "Berlin", "User lives in Porto", asked)
    assert not is_stale("unknown", "Berlin", "User lives in Porto", asked)
    assert not is_stale("Rome", "Berlin", "User lives in Porto", asked)
    assert not is_stale("lives there", "Berlin", "User lives in Porto", asked)
