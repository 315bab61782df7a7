"""Tests of reciprocal rank fusion."""

from hypothesis import given
from hypothesis import strategies as st

from langchain_memlora.retrieval.fusion import fuse

RANKINGS = st.lists(st.lists(st.sampled_from("abcdef"), max_size=8), max_size=5)


def test_items_in_several_rankings_win() -> None:
    assert list(fuse([["a", "b"], ["b", "c"]])) == ["b", "a", "c"]
    assert fuse([]) == fuse([[], []]) == {}
    assert fuse([["a"], []]) == {"a": 1.0}


@given(RANKINGS)
def test_scores_are_ordered_within_range(rankings: list[list[str]]) -> None:
    scores = fuse(rankings)
    assert scores.keys() == {item for ranking in rankings for item in ranking}
    assert list(scores.values()) == sorted(scores.values(), reverse=True)
    assert all(0 < score <= 1 for score in scores.values())


@given(RANKINGS)
def test_repeats_in_ranking_are_ignored(rankings: list[list[str]]) -> None:
    assert fuse(rankings) == fuse([list(dict.fromkeys(ranking)) for ranking in rankings])


@given(st.lists(st.sampled_from("abcdef"), min_size=1, unique=True))
def test_single_ranking_keeps_its_order(ranking: list[str]) -> None:
    assert list(fuse([ranking, ranking])) == ranking
