"""Sentences: where a message is cut, where it is not, and that every character is in exactly one sentence."""

import json
import random
import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langchain_memlora.experts.sentences import LIMIT, cut_sentences

# Sentences are separated by " | ", so each line is a message and where it is cut.
CUT = """
    Mrs. Lindqvist called. | Dr. Ito too.
    I like hot drinks, e.g. tea. | And cake.
    It takes approx. 3 days. | OK?
    We live in St. Gallen. | It's nice.
    I'm in No. 5, ask at No. 7. | Come by.
    J. R. Smith is my boss. | He is 40.
    John F. Kennedy Jr. was here.
    I got an A. | I am glad.
    The U.S. Army and the U.K. army pay for it. | He lives in the U.S. | She doesn't.
    I work at Morwenna Boats Ltd. | The company is old.
    Apples, pears, etc. are fine.
    It costs 3.50 today. | Fine.
    See you at 3 p.m. on Friday. | Bye.
    Meet at 3 p.m. Friday at the latest.
    We left at 3 p.m. | The train was late.
    Upgraded to v1.2.3. | Works on 10.0.0.1.
    See https://a.example/b?c=d.e&f! | Then write to tom.b@x.example. | Thanks.
    Well... | I don't know... maybe. | Yes.
    He said: 'No. Never.' | Then he left.
    She said "Stop. Now." and left.
    "Really?" she asked. | "Yes."
    I was born in Ulm (a Tuesday. I think.) and I like it.
    I moved! 🎉🎉 | Now I live in Oslo 🇳🇴
    sold the piano 😢 | Ingrid took it
    I love 🍕 and 🍣 but not 🍔
    I think so :) | Do you?
    Is it 5? | I think so!! | really
    shorter. | whats on the table
    1. Milk and 2 eggs
    a) the red one
    我妹妹搬到成都。 | 我不吃肉！ | 你呢？
    妹は札幌に引っ越します。 | 私は行きません。
    أختي في القاهرة. | هل أنت هنا؟ | نعم.
    मेरी बहन जयपुर में है। | मैं यहाँ हूँ।
    Ich wohne in St. Pölten. | Du auch?
"""
LINES = [
    ["- buy milk", "- call Tom.", "He's ill.", "* eggs"],
    ["1. Milk", "2. Bread", "3) Eggs"],
    ["My allergies:", "nuts", "shellfish"],
    ["im in bed with the flu", "since tuesday", "what helps"],
    ["We are seven on Saturday, two of us vegetarian and one with a nut allergy", "what do I cook"],
    ["Where is the bug?", "```python\nx = 1. \nprint(x)  # Yes. No.\n```", "It prints 1."],
]
WRAPPED = """This is a paragraph of plain prose that somebody has wrapped at a
width of seventy characters, as mail programs do. It goes on and
on, and the last line is shorter than the others."""
LONG = (
    "so basically i moved to leeds in march and i work at a bakery there and my sister lives with me but she is leaving in "
    "june because she found a job in york and i need a new flatmate so i am looking for someone quiet who likes cats"
)


def texts(message: str, limit: int = LIMIT) -> list[str]:
    return [sentence.text for sentence in cut_sentences(message, limit=limit)]


@pytest.mark.parametrize("line", [line.strip() for line in CUT.strip().splitlines()])
def test_sentences_are_cut_at_their_ends_only(line: str) -> None:
    assert texts(line.replace(" | ", " ")) == line.split(" | ")


@pytest.mark.parametrize("lines", LINES)
@pytest.mark.parametrize("gap", ["\n", "\n\n", "\r\n", " \n"])
def test_line_breaks_end_sentences(lines: list[str], gap: str) -> None:
    assert texts(gap.join(lines)) == lines


def test_wrapped_prose_is_joined() -> None:
    assert [text.split()[0] for text in texts(WRAPPED)] == ["This", "It"]
    assert texts("My landlord has decided to put up the rent by nine percent in\nMarch and I can't pay it.") != []
    assert len(texts("My landlord has decided to put up the rent by nine percent in\nMarch and I can't pay it.")) == 1


def test_an_open_fence_is_one_piece() -> None:
    assert texts("Fix it:\n```\na = 1.\nb = 2.") == ["Fix it:", "```\na = 1.\nb = 2."]


@pytest.mark.parametrize(
    ("message", "second"),
    [
        (LONG, "because she found"),
        (
            "I live in Ghent with my two boys and an old dog; " + "the rent is high and we want to move soon " * 5,
            "the rent",
        ),
        (
            "I live in Ghent with my two boys and an old dog - " + "the rent is high and we want to move soon " * 5,
            "the rent",
        ),
        (
            "I live in Ghent with my two boys " * 3 + ", but " + "the rent is high and we want to go " * 3,
            "but the rent",
        ),
    ],
)
def test_long_sentences_are_cut_between_clauses(message: str, second: str) -> None:
    assert len(texts(message, limit=1000)) == 1
    pieces = texts(message)
    assert any(piece.startswith(second) for piece in pieces), pieces
    assert all(len(piece.split()) >= 4 for piece in pieces)


def test_long_lists_of_nouns_are_not_cut() -> None:
    assert len(texts("buy " + "red apples and green pears and " * 10 + "plums")) == 1


MESSAGES = st.one_of(
    st.text(max_size=300),
    st.lists(
        st.sampled_from(
            [*"a.!?…,;:\"'()[]`*-\n\r\t 。？。🎉5", "```", "and i", "Mr.", "p.m.", "e.g.", "...", " - ", "\u2028"]
        )
    ).map("".join),
    st.lists(
        st.sampled_from("i was and but so because moved Ulm. 3 p.m. (no) 'yes' ok; - \n".split(" ")), max_size=200
    ).map(" ".join),
)


@settings(deadline=None, max_examples=300)
@given(MESSAGES, st.sampled_from([LIMIT, 5, 1]))
def test_every_character_is_in_exactly_one_sentence(message: str, limit: int) -> None:
    sentences = cut_sentences(message, limit=limit)
    assert all(one.text == message[one.start : one.end] == one.text.strip() != "" for one in sentences)
    assert all(one.end <= other.start for one, other in pairwise(sentences))
    covered = {place for one in sentences for place in range(one.start, one.end)}
    assert all(place in covered or letter.isspace() for place, letter in enumerate(message))
    assert cut_sentences(message, limit=limit) == sentences


@pytest.mark.parametrize(
    "message",
    [
        "x" * 50_000,
        "".join(random.Random(1).choices("ABCDabcd0123+/", k=50_000)),
        json.dumps([{"a": "b. C", "n": 1.5}] * 2000),
        json.dumps([{"a": "b. C", "n": 1.5}] * 2000, indent=1),
        *(
            piece * (50_000 // len(piece))
            for piece in [".", "!", "? ", '"', " 'a", '!"', "(", "\n", " \n", " ", "🎉", "a! 🎉", "。"]
        ),
        *(
            piece * (50_000 // len(piece))
            for piece in ["and i like ", "a, and ", "a b c d; ", " - ", "```\n", "``` ", "Mr. ", "ab c\n"]
        ),
    ],
    ids=lambda message: message[:8],
)
def test_long_messages_take_bounded_time(message: str) -> None:
    begun = time.process_time()
    cut_sentences(message)
    assert time.process_time() - begun < 2
