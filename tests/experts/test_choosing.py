"""Tests of the choice of spans from the answers to one question a sentence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_memlora.bundles.bundle import ChoiceSpec
from langchain_memlora.experts.choosing import MOST_WORDS, Chosen, choose
from langchain_memlora.experts.sentence_prompt import LABELS
from langchain_memlora.experts.sentences import cut_sentences

TEXT = "Hello there, friend. My sister Ana is here. She is a nurse. It rains. She moved on Monday. Sorry, on Tuesday."


def answers(*labels: str) -> list[list[float]]:
    return [[0.9 if label == name else 0.1 / 6 for name in LABELS] for label in labels]


def spans(*labels: str, spec: ChoiceSpec | None = None, text: str = TEXT) -> list[str]:
    chosen = choose(cut_sentences(text), answers(*labels), spec or ChoiceSpec())
    return [text[span.start : span.end] for span in chosen]


def test_silent_sentences_are_left_out() -> None:
    assert spans("none", "alone", "none", "none", "none", "none") == ["My sister Ana is here."]


def test_span_widens_to_sentence_before() -> None:
    assert spans("none", "none", "before", "none", "none", "none") == ["My sister Ana is here. She is a nurse."]


def test_overlapping_spans_are_joined() -> None:
    assert spans("none", "alone", "before", "none", "none", "none") == ["My sister Ana is here. She is a nurse."]


def test_span_widens_to_earlier_statement() -> None:
    (span,) = spans("none", "alone", "none", "none", "earlier", "none")
    assert span == "My sister Ana is here. She is a nurse. It rains. She moved on Monday."


def test_correction_holds_both_sentences() -> None:
    assert spans("none", "none", "none", "none", "later", "none") == [
        "It rains. She moved on Monday. Sorry, on Tuesday."
    ]
    assert spans("none", "none", "none", "none", "later", "before") == [
        "It rains. She moved on Monday. Sorry, on Tuesday."
    ]


def test_first_sentence_needs_context() -> None:
    text = "Six nights."
    assert choose(cut_sentences(text), answers("context"), ChoiceSpec()) == [
        Chosen(0, len(text), True, False, pytest.approx(0.9 + 4 * 0.1 / 6))
    ]
    assert choose(cut_sentences(text), answers("before"), ChoiceSpec())[0].needs_context


def test_pronoun_at_the_beginning_widens() -> None:
    assert spans("none", "none", "alone", "none", "none", "none") == ["My sister Ana is here. She is a nurse."]


@pytest.mark.parametrize(
    ("said", "before", "needed"),
    [
        ("March 30th.", "When is it?", True),
        ("March 30th.", "Noted.", False),
        ("March 30th.", "", False),
        ("He is three now.", "Noted.", True),
        ("The whole family flies to Oslo on Monday.", "When is it?", False),
    ],
)
def test_opening_sentence_refers_back(said: str, before: str, needed: bool) -> None:
    (chosen,) = choose(cut_sentences(said), answers("alone"), ChoiceSpec(), before=before)
    assert chosen.needs_context is needed


def test_comparison_widens() -> None:
    text = "We are Ana, Bo and me. Only Bo has a tent. I cook."
    found = choose(cut_sentences(text), answers("none", "alone", "alone"), ChoiceSpec())
    assert [text[span.start : span.end] for span in found] == ["We are Ana, Bo and me. Only Bo has a tent.", "I cook."]


def test_list_item_has_its_heading() -> None:
    text = "Groceries please. Won't eat:\n- me: aubergine\n- Bo: fish\nThanks!"
    found = choose(cut_sentences(text), answers("none", "none", "none", "alone", "none"), ChoiceSpec())
    assert [text[span.start : span.end] for span in found] == ["Won't eat:\n- me: aubergine\n- Bo: fish"]


@pytest.mark.parametrize(("between", "kept"), [(1, "We land on the 3rd."), (30, "No, it is the 4th.")])
def test_late_correction_is_the_last_word(between: int, kept: str) -> None:
    text = "We land on the 3rd." + " Can you pack?" * between + " No, it is the 4th."
    found = choose(cut_sentences(text), answers("later", *["none"] * between, "alone"), ChoiceSpec())
    (span,) = found
    assert text[span.start : span.end].startswith(kept)
    assert text[span.start : span.end].endswith("No, it is the 4th.")


def test_request_to_forget() -> None:
    (chosen,) = choose(cut_sentences("Forget my address."), answers("forget"), ChoiceSpec())
    assert chosen.forgets


def test_switched_off_questions() -> None:
    labels = ("none", "none", "before", "none", "later", "none")
    assert spans(*labels, spec=ChoiceSpec(states=1)) == []
    never = ChoiceSpec(needs=1, later=1)
    assert spans(*labels, spec=never) == ["My sister Ana is here. She is a nurse.", "It rains. She moved on Monday."]


def test_spans_stay_short() -> None:
    text = " ".join(f"She walked {i} miles over the long hill to the old mill again." for i in range(12))
    labels = ("alone", *["before"] * 11)
    assert all(len(span.split()) <= MOST_WORDS for span in spans(*labels, text=text))


@given(st.data())
def test_spans_are_parts_of_the_message_in_order(data: st.DataObject) -> None:
    text = data.draw(st.text("aB .!?\n", max_size=60))
    sentences = cut_sentences(text)
    weights = st.lists(st.floats(0, 1), min_size=len(LABELS), max_size=len(LABELS)).filter(lambda row: sum(row) > 0)
    rows = [[p / sum(row) for p in row] for row in (data.draw(weights) for _ in sentences)]
    chosen = choose(sentences, rows, ChoiceSpec())
    assert [span.start for span in chosen] == sorted(span.start for span in chosen)
    for span in chosen:
        assert 0 <= span.start < span.end <= len(text)
        assert span.start in {s.start for s in sentences}
        assert span.end in {s.end for s in sentences}
