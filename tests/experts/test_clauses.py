"""Clauses: where a quotation is cut, where it is not, and that nothing is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_memlora.experts.clauses import cut_clauses, is_fragment

# Clauses are separated by " | ", so each line is a quotation and where it is cut.
CUT = """
    I'm a nurse in Graz | and my sister Ana has twins.
    Hi! I am a nurse in Graz, | my sister Ana has twins.
    I know Tom | and Ana is his sister.
    My sister lives in Graz | and she has twins | but I never see her.
    I moved to Linz | while my brother Tom stayed in Graz.
    My name is Tom Smith; | I work in IT.
    I'm vegan. | I live in Graz.
    Yes. I'm vegan.
    I live with my wife Anna and my son.
    My wife Anna and I live in Graz.
    When I was ten, my sister left.
    I visited Rome, Paris and Berlin.
    I visited Rome, Paris and Berlin, | and I loved them all.
    I don't eat meat and dairy products made here.
    She works at Marks and Spencer in Graz.
    I was born in Graz, Austria, in 1990.
    Six nights.
"""


@pytest.mark.parametrize("line", [line.strip() for line in CUT.strip().splitlines()])
def test_clauses_are_cut(line: str) -> None:
    assert [clause.text for clause in cut_clauses(line.replace(" | ", " "))] == line.split(" | ")


@given(st.lists(st.sampled_from(["I ski", "and", "my dog is", "Ana has", ",", ";", ".", "\n", "but he ran", "Yes!"])))
def test_every_character_is_in_one_clause(words: list[str]) -> None:
    text = " ".join(words)
    clauses = cut_clauses(text)
    assert all(text[clause.start : clause.end] == clause.text for clause in clauses)
    assert "".join("".join(clause.text.split()) for clause in clauses) == "".join(text.split())


@pytest.mark.parametrize(
    ("text", "expected"), [("Six nights.", True), ("Yes.", True), ("I'm vegan.", False), ("We ski", False)]
)
def test_fragment_has_no_subject(text: str, expected: bool) -> None:
    assert is_fragment(text) is expected
