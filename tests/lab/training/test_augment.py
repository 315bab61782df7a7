"""Tests of changed copies of labelled messages: what varies, and what stays true."""

import random
from collections import Counter
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langchain_memlora.experts.grounding import is_grounded
from langchain_memlora.experts.sentences import cut_sentences
from langchain_memlora.lab.training.augment import augmented, rename
from langchain_memlora.lab.training.choices import sentence_labels
from langchain_memlora.lab.training.inserting import donors, insert_sentences
from langchain_memlora.lab.training.messages import LabelledMessage, LabelledSentence, MessageBefore, load_messages
from langchain_memlora.lab.training.restyling import restyle
from langchain_memlora.lab.training.substitutes import KINDS, MEN, WOMEN

LENA = LabelledMessage(
    "m-1",
    "My sister Lena moved to Porto on Friday. At 9. No, wait, at 10. She has 40 plants.",
    (
        LabelledSentence("My sister Lena moved to Porto on Friday.", ("User's sister Lena moved to Porto on Friday",)),
        LabelledSentence("At 9.", (), later=2),
        LabelledSentence("No, wait, at 10.", ("Lena moved at 10",)),
        LabelledSentence("She has 40 plants.", ("Lena has 40 plants",)),
    ),
    (MessageBefore("assistant", "How is Lena?"),),
)
QUESTION = LabelledSentence("How long do eggs keep?", ())
STATEMENT = LabelledSentence("I play the cello.", ("User plays the cello",))


@cache
def shipped() -> tuple[LabelledMessage, ...]:
    return tuple(load_messages()[::30])


def ungrounded(message: LabelledMessage) -> int:
    sources = (message.message, *(before.content for before in message.context))
    return sum(not is_grounded(fact, *sources) for sentence in message.sentences for fact in sentence.facts)


@given(st.integers(0, 10**6), st.data())
@settings(max_examples=8, deadline=None)
def test_copies_stay_true(seed: int, data: st.DataObject) -> None:
    begin = data.draw(st.integers(0, len(shipped()) - 25))
    messages = shipped()[begin : begin + 25]
    for before, after in zip(messages, augmented(messages, 1.0, seed), strict=True):
        assert after.id == before.id
        assert ungrounded(after) <= ungrounded(before)
        kept = sum(len(sentence.facts) for sentence in before.sentences)
        assert sum(len(sentence.facts) for sentence in after.sentences) >= kept
        assert before.is_silent == after.is_silent
        assert any(s.forget for s in before.sentences) == any(s.forget for s in after.sentences)


@given(st.integers(0, 10**6))
@settings(max_examples=15, deadline=None)
def test_later_points_to_the_same_sentence(seed: int) -> None:
    rng = random.Random(seed)
    changed = insert_sentences(LENA, [QUESTION], [STATEMENT], rng)
    assert changed != LENA
    (corrected,) = (sentence for sentence in changed.sentences if sentence.later is not None)
    assert corrected.text == "At 9."
    assert changed.sentences[corrected.later].text == "No, wait, at 10."  # type: ignore[index]
    plain = restyle(LENA, rng)
    assert [s.later for s in plain.sentences if "at 9" in s.text and "at 10" not in s.text] in ([], [2])


@given(st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_names_change_everywhere(seed: int) -> None:
    changed = rename(LENA, random.Random(seed))
    whole = " ".join([changed.message, changed.context[0].content, *(f for s in changed.sentences for f in s.facts)])
    assert not any(old in whole for old in ("Lena", "Porto", "Friday", "40"))
    name = changed.message.split()[2]
    assert name in WOMEN
    assert whole.count(name) == 5
    assert sentence_labels(changed) == sentence_labels(LENA)


@pytest.mark.parametrize(
    "text", ["Lena Fischer left.", "I was born in 1987.", "It's at 17:15.", "Flat 4b, code KX-20.", "Aunt Lena left."]
)
def test_parts_of_longer_names_and_codes_stay(text: str) -> None:
    message = LabelledMessage("m-1", f"Well, {text}", (LabelledSentence(f"Well, {text}", ()),))
    assert all(rename(message, random.Random(seed)) == message for seed in range(20))


def test_substitutes_are_of_one_kind() -> None:
    assert len(frozenset().union(*KINDS)) == sum(map(len, KINDS))
    assert min(len(WOMEN), len(MEN)) > 80


def test_chat_style_is_cut_as_at_run_time() -> None:
    styles = {restyle(LENA, random.Random(seed)) for seed in range(8)}
    assert {message.message for message in styles} == {
        "my sister lena moved to porto on friday at 9 no, wait, at 10 she has 40 plants",
        "my sister lena moved to porto on friday at 9 no wait at 10 she has 40 plants",
    }
    for message in styles:
        assert [s.text for s in message.sentences] == [piece.text for piece in cut_sentences(message.message)]
        assert message.sentences[0].facts == tuple(fact for s in LENA.sentences for fact in s.facts)


@pytest.mark.parametrize(
    "texts",
    [
        ['He said "I moved."'],
        ["- milk\n- eggs"],
        # A request to forget would become part of a statement.
        ["Forget my flat.", "I moved."],
    ],
)
def test_some_messages_keep_their_style(texts: list[str]) -> None:
    sentences = tuple(
        LabelledSentence(t, (), "User's flat") if "Forget" in t else LabelledSentence(t, ("User moved",)) for t in texts
    )
    message = LabelledMessage("m-1", " ".join(texts), sentences)
    assert all(restyle(message, random.Random(seed)) == message for seed in range(8))


def test_statements_are_not_inserted_into_texts_of_others() -> None:
    pasted = LabelledMessage("m-1", "Translate: I moved.", (LabelledSentence("Translate: I moved.", ()),))
    quoted = 'I said "no."'
    quoting = LabelledMessage("m-2", quoted, (LabelledSentence(quoted, ("User said no",)),))
    for seed in range(20):
        for message in (pasted, quoting):
            assert insert_sentences(message, [], [STATEMENT], random.Random(seed)) == message
            assert STATEMENT not in insert_sentences(message, [QUESTION], [STATEMENT], random.Random(seed)).sentences
    assert any(STATEMENT in insert_sentences(LENA, [], [STATEMENT], random.Random(s)).sentences for s in range(20))


def test_inserted_sentences_need_no_context() -> None:
    questions, statements = donors(shipped())
    assert len(questions) > 10
    assert statements
    assert not any(sentence.facts for sentence in questions)
    for sentence in statements:
        assert sentence.text.startswith("I")
        assert all(is_grounded(fact, sentence.text) for fact in sentence.facts)


def test_share_and_seed() -> None:
    messages = shipped()[:120]
    assert augmented(messages, 0.0) == list(messages)
    assert augmented(messages, 0.5, 1) == augmented(messages, 0.5, 1)
    changed = {
        share: sum(a != b for a, b in zip(messages, augmented(messages, share, 1), strict=True)) for share in (0.3, 1.0)
    }
    assert 0 < changed[0.3] < 0.45 * changed[1.0]
    assert changed[1.0] > 60
    assert augmented(messages, 1.0, 1) != augmented(messages, 1.0, 2)


def test_names_get_more_even() -> None:
    def names(messages: list[LabelledMessage]) -> Counter[str]:
        return Counter(word for m in messages for word in set(m.message.split()) if word in WOMEN | MEN)

    one = [LENA] * 60
    assert len(names(one)) == 1
    assert len(names(augmented(one, 1.0))) > 20
