"""Grounding: facts may hold only what their sources say, and facts that replace a span hold all it says."""

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langchain_memlora.experts.grounding import NEGATION, covers, is_grounded, ungrounded
from langchain_memlora.experts.negation import clauses_of
from langchain_memlora.wordforms import is_related, is_typo, stem, values_of, words_of

# Each fact may be written from the message before it.
GROUNDED = [
    ("My sister-in-law Ana moved to Porto last spring", "User's sister-in-law Ana moved to Porto last spring"),
    ("my sis Ana moved to porto on tues, bday is 3 feb", "User's sister Ana moved to Porto on Tuesday"),
    ("my sis Ana moved to porto on tues, bday is 3 feb", "Ana's birthday is 3 Feb"),
    ("i work w/ two ppl at the uni", "User works with two people at the university"),
    ("the wifi password is Sonne!2024", "User's wifi password is Sonne!2024"),
    ("I owe Lena 12,450.75 €", "User owes Lena 12,450.75"),
    ("we have 3 kids and a 12kg dog", "User has three children"),
    ("we have 3 kids and a 12kg dog", "User has a dog of 12 kg"),
    ("twenty chairs arrive on the 14th", "20 chairs arrive on the 14th"),
    ("second floor, door on the left", "User's door is on the 2nd floor"),
    ("My allergy to nuts is bad", "User is allergic to nuts"),
    ("I've been a vegetarian since 2011", "User is vegetarian since 2011"),
    ("we bought a hose and drove home", "User buys a hose and drives home"),
    ("the recpie has wallnuts, on wednsday", "The recipe has walnuts"),
    ("the recpie has wallnuts, on wednsday", "The recipe is on Wednesday"),
    ("Ines is oncall this weekend", "Ines is on call this weekend"),
    ("I don't eat pork or shellfish", "User does not eat pork or shellfish"),
    ("I dont drive anymore", "User no longer drives"),
    ("Neither of my parents drives", "User's parents do not drive"),
    ("I quit smoking in May", "User does not smoke"),
    ("no wool please, I itch in it", "User itches in wool"),
    ("My son Tom doesn't eat fish", "User has a son named Tom"),
    ("I'm not going with my sister Ana", "User has a sister named Ana"),
    ("It isn't opening on the 20th, it's opening on the 23rd", "It is opening on the 23rd"),
    ("Call me Bex, not Rebecca", "User wants to be called Bex, not Rebecca"),
    ("We relocate to Cardiff, no, Swansea, in August", "User relocates to Swansea in August"),
]
# Each fact holds something that the message before it does not say.
UNGROUNDED = [
    ("My sister Ana moved to Porto", "User's sister Ana moved to Lisbon", ["Lisbon"]),
    ("Tom hates it", "User's son Tom hates it", ["son"]),
    ("I owe Lena 12,540", "User owes Lena 12,450", ["12,450"]),
    ("I owe Lena 12,450.75", "User owes Lena 12,450", ["12,450"]),
    ("the code is PX-70 441", "User's code is PX-70 414", ["414"]),
    ("the password is Sonne!2024", "User's password is Sonne!2042", ["Sonne!2042"]),
    ("my plate is KR 5PX77", "User's plate is KR 5PX7", ["5PX7"]),
    ("I have two boys", "User has 3 boys", ["3"]),
    ("On the second floor", "User has 2 floors", ["2"]),
    ("My friend Marta paints", "User's friend Maria paints", ["Maria"]),
    ("we will go hiking", "User's friend Will goes hiking", ["friend"]),
    ("we could go hiking", "User and May go hiking", ["May"]),
    ("I don't eat pork", "User eats pork", [NEGATION]),
    ("I dont eat pork or shellfish", "User eats pork", [NEGATION]),
    ("i cannot swim", "User can swim", [NEGATION]),
    ("I never drive at night", "User drives at night", [NEGATION]),
    ("no emojis please", "User wants emojis", [NEGATION]),
    ("please stop using emojis", "User wants emojis used", [NEGATION]),
    ("I have no car", "User has a car", [NEGATION]),
    ("It's a four-storey house, no lift", "User's house has a lift", [NEGATION]),
    ("Ana paints, Tom doesn't paint", "Tom paints", [NEGATION]),
    ("I eat pork", "User does not eat pork", [NEGATION]),
    ("I eat pork, but I don't drink", "User does not eat pork", [NEGATION]),
    ("My sister lives in Graz", "User's sister never lives in Graz", [NEGATION]),
]


@pytest.mark.parametrize(("message", "fact"), GROUNDED)
def test_facts_that_were_said_are_grounded(message: str, fact: str) -> None:
    assert ungrounded(fact, message) == []
    assert is_grounded(fact, message)


@pytest.mark.parametrize(("message", "fact", "words"), UNGROUNDED)
def test_facts_that_were_not_said_are_not_grounded(message: str, fact: str, words: list[str]) -> None:
    assert ungrounded(fact, message) == words
    assert not is_grounded(fact, message)


def test_short_answers_are_grounded_in_the_question() -> None:
    question = "Did the inspector pass the boiler, and how long will you stay?"
    assert is_grounded("User will stay six nights", "six nights", question)
    assert not is_grounded("User will stay six nights", "six nights")
    assert ungrounded("The inspector passed the boiler", "nope", question) == [NEGATION]
    assert is_grounded("The inspector did not pass the boiler", "nope", question)


def test_ungrounded_names_each_word() -> None:
    assert ungrounded("User's parrot Penhallow speaks Welsh", "My bird speaks") == ["parrot", "Penhallow", "Welsh"]


def test_nothing_is_grounded_in_nothing() -> None:
    assert ungrounded("User paints") == ["paints"]
    assert is_grounded("User is", "")
    assert is_grounded("", "anything")


@pytest.mark.parametrize(
    ("span", "facts", "covered"),
    [
        ("Ana has two boys and doesn't drive", ["Ana has 2 boys", "Ana does not drive"], True),
        ("Ana has two boys and doesn't drive", ["Ana has two boys"], False),
        ("My cousin Leo lives in Graz", ["User's cousin lives in Graz"], False),
        ("My cousin Leo lives in Graz", ["User's cousin Leo lives in Graz"], True),
        ("the rent is 850", ["User pays rent"], False),
        ("I moved to Bonn on 3 May", ["User moved to Bonn", "User moved on 3 May"], True),
        ("I moved to Bonn on 3 May", ["User moved to Bonn in May"], False),
        ("this is the second one", ["User has another"], True),
        ("I paint, why isn't it dry?", ["User paints"], True),
        ("", [], True),
        ("I paint", [], True),
    ],
)
def test_facts_that_replace_a_span_cover_it(span: str, facts: list[str], covered: bool) -> None:
    assert covers(facts, span) is covered


def test_word_forms() -> None:
    assert stem("moves") == stem("moving") == stem("moved")
    assert stem("children") == stem("kids")
    assert is_related("allergic", "allergy")
    assert is_related("weekend", "wekeend")
    assert not is_related("sister", "brother")
    assert not is_related("cat", "cut")
    assert is_typo("recieve", "receive")
    assert not is_typo("Lisbon", "London")
    assert values_of("two") == values_of("2")
    assert values_of("1,150") == values_of("1150")
    assert not values_of("second") & values_of("two")
    assert dict(words_of("Then Ana's 'Sonne!2024'."))["Ana"]


def test_clauses_hold_one_negation_each() -> None:
    kinds = [clause.kind for clause in clauses_of("I don't eat pork, no eggs either, my sister doesn't")]
    assert kinds == ["verb", "other", "answer"]


def test_corrupted_facts_are_not_grounded() -> None:
    message = "My cousin Leo rents flat 14 in Graz for 850 euros until 3 May with his partner Ines and 2 dogs"
    fact = "User's cousin Leo rents flat 14 in Graz for 850 euros until 3 May"
    assert is_grounded(fact, message)
    for right, wrong in [
        ("Leo", "Theo"),
        ("14", "41"),
        ("Graz", "Linz"),
        ("850", "580"),
        ("3", "13"),
        ("cousin", "brother"),
    ]:
        assert ungrounded(fact.replace(right, wrong), message) == [wrong]


WORDS = st.lists(
    st.sampled_from("Ana pork eats moved 12,450 two Sonne!2024 house tues recipe KX-20 mother's café 3rd".split())
)


@settings(deadline=None, max_examples=200)
@given(WORDS, st.randoms())
def test_said_words_are_grounded_in_any_order(words: list[str], chance: random.Random) -> None:
    told = words.copy()
    chance.shuffle(told)
    assert ungrounded(" ".join(told), " ".join(words)) == []


@settings(deadline=None, max_examples=300)
@given(st.text(max_size=120), st.lists(st.text(max_size=120), max_size=3))
def test_any_text_is_decided(fact: str, sources: list[str]) -> None:
    assert is_grounded(fact, *sources) == (ungrounded(fact, *sources) == [])
    assert covers(sources, fact) in (True, False)


NEGATIVE = st.lists(
    st.sampled_from("I no not never don't isn't , . : but nothing neither nor pork eat it without or 5 ' \n".split(" "))
)


@settings(deadline=None, max_examples=300)
@given(NEGATIVE.map(" ".join), NEGATIVE.map(" ".join))
def test_any_negation_is_decided(fact: str, source: str) -> None:
    assert is_grounded(fact, source) in (True, False)
    assert covers([fact], source) in (True, False)


@pytest.mark.parametrize(
    "piece", ["x", "es", "no ", "I don't eat eggs. ", "no eggs, ", "'", "1", "1.", "a1", ":", "nor ", "é", "not: "]
)
def test_long_texts_take_bounded_time(piece: str) -> None:
    text = piece * (50_000 // len(piece))
    begun = time.process_time()
    ungrounded("User wants 3 eggs and does not eat them", text, "hello")
    ungrounded(text[:2000], "hello")
    covers(["User eats eggs"], text)
    assert time.process_time() - begun < 5
