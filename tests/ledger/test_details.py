"""Tests of which texts repeat a deleted detail."""

from __future__ import annotations

import pytest

from langchain_memlora.ledger.details import Detail
from langchain_memlora.ledger.lineage import without_earlier

REPEATED = {
    "User's alarm code is 4471": [
        "Got it, your alarm code is 4471.",
        "4471",
        "code:4471!",
        "So 44-71 it is.",
        "4 4 7 1",
        "four four seven one",
        "ALARM CODE=4471",
        "Your code (4471) works",
        "four-four-seven-one",
        "The code is 4 471",
        "code4471",
        "4471's fine",
        "4,471",
    ],
    'User: "My alarm code is 4471."': [
        "Got it, your alarm code is 4471.",
    ],
    "User live in Porto": [
        "So you live in PORTO!",
        "Living in Porto suits you",
        "Porto, nice!",
        "Porto.",
        "I live in Porto",
        "I moved here; I live in Porto now.",
    ],
    "User's sister is called Ottilie": [
        "I met OTTILIE for coffee",
        "Ottilie's hat",
        "ottilie called",
    ],
    "User's doctor is Dr. Okafor": [
        "Dr. Okafor sounds great!",
        "Okafor said I should rest",
    ],
    'User: "My wifi password is Sonne!2024"': [
        "sonne!2024",
        "Saved: Sonne!2024.",
        "Sonne 2024",
    ],
    "User's safe word is marzipan": [
        "MARZIPAN, noted",
        "marzipan",
    ],
    "User is allergic to peanuts": [
        "I'll remember your peanut allergy",
        "You are allergic to peanuts",
        "Peanuts, noted.",
    ],
    "User has a cat named Miso": [
        "How is Miso?",
    ],
    "User's passport number is X1234567": [
        "x1234567",
        "X 1234567",
    ],
    "User takes lithium": [
        "Did you take your lithium today?",
    ],
    "User's phone is +44 20 7946 0958": [
        "call 02079460958? no, +442079460958",
        "7946 0958",
    ],
    "User earns 84,000 a year": [
        "84000 is good",
        "84,000",
    ],
    "User is a nurse": [
        "As a nurse you work nights.",
        "A nurse? Great!",
    ],
    "User's e-mail is ana.b@example.com": [
        "write to ANA.B@EXAMPLE.COM",
    ],
    "我住在波尔图": [
        "你住在波尔图啊",
        "我住在波尔图。",
    ],
    "User bought a red Honda in Lisbon last March": [
        "Congrats on your red Honda!",
        "I bought my Honda in March",
    ],
    "User's locker combination is 9-27-4": [
        "9 27 4",
        "the combination 9-27-4",
    ],
    "User's birthday is 3 March": [
        "Happy early birthday on 3 March!",
    ],
    "User is Portuguese": [
        "You are Portuguese",
    ],
    "own a zebrafish": [
        "I own a zebrafish",
        "you own a ZEBRAFISH?",
    ],
    "User's name is Ana": [
        "Nice to meet you, Ana!",
    ],
    "PIN: 0042": [
        "0042",
        "your pin 0042",
    ],
    "User's sister Ana moved to Porto": [
        "Your sister moved to Porto",
        "Ana moved to Porto",
    ],
    "User's locker combination is 12-34-56": [
        "12 34 56",
        "The combination: 12-34-56",
    ],
    'User: "my passport number is X1234567 and it expires in May"': [
        "Your passport X1234567 is noted",
    ],
    "User was diagnosed with type 2 diabetes": [
        "Living with diabetes type 2 is hard for you",
        "Since you were diagnosed with diabetes, skip the sugar",
    ],
    "User is pregnant": [
        "Congratulations on being pregnant!",
        "You're pregnant, so avoid sushi",
    ],
    "User's salary is 84,000 euros": [
        "84000 euros is decent",
    ],
    "User's girlfriend is Lena": [
        "How is Lena?",
    ],
    "User works at Siemens": [
        "How is work at Siemens?",
        "You work at Siemens",
    ],
    "User lives at 12 Rosewood Lane": [
        "I'll ship it to 12 Rosewood Lane",
        "12 rosewood lane it is",
    ],
    "User's bank is Santander and the account is DE89370400440532013000": [
        "DE89 3704 0044 0532 0130 00",
    ],
    "User's birthday is on 3 March 1985": [
        "Your birthday is 3 March",
        "born on 3 March 1985, got it",
    ],
    "User's flight is LH 1234": [
        "LH1234 leaves at 9",
        "lh-1234",
    ],
    "User's nickname is Bear": [
        "Hi Bear!",
    ],
    "User hates his boss Martin": [
        "Martin, your boss, is difficult",
        "Your boss Martin",
    ],
    "The user's PIN is 0815.": [
        "0815",
    ],
    "My password: hunter2": [
        "hunter2",
        "HUNTER2.",
    ],
    "User's wife is called Anna Karenina": [
        "anna karenina",
        "Anna said hi",
    ],
    "User has an appointment with Dr. Brandt on Tuesday": [
        "Good luck at Dr. Brandt's on Tuesday",
        "Your appointment with Dr. Brandt",
    ],
    "User's code word is Xanadu": [
        "xanadu",
        "XANADU!!",
        "So the word's Xanadu?",
    ],
    "User's secret is that he robbed a bank": [
        "You robbed a bank",
    ],
    'Assistant: "What is your alarm code?" User: "4471"': [
        "Got it, 4471",
    ],
    'User: "It\'s 4471."': [
        "4471",
    ],
    "User's Hund heißt Bärli": [
        "bärli",
        "BÄRLI",
    ],
    "Мой пароль Секрет99": [
        "секрет99",
    ],
}
OTHER = {
    "User live in Porto": [
        "Porto has nice wine",
        "Porto has nice wine.",
        "My sister lives in Porto",
        "I live near the sea",
        "Bruno lives in Porto",
        "Where do I live?",
        "I visited Porto",
        "Which part of Porto?",
    ],
    "User's alarm code is 4471": [
        "What is my alarm code?",
        "I have 2 cats",
        "It is 4472",
        "I walked 44 km and 71 miles",
    ],
    "User moved to Porto in 2019": [
        "In 2019 I met Bruno",
    ],
    "User likes tea": [
        "I like coffee",
        "I drank coffee",
        "I like it.",
    ],
    "User has a cat named Miso": [
        "I have a dog",
        "A cat named Tom",
    ],
    "User is a nurse": [
        "The nurse at the clinic was rude",
    ],
    "User has a dentist appointment at 10:30 on Friday": [
        "Let's meet Bruno at 10:30",
        "See you on Friday",
    ],
    "User's favourite colour is blue": [
        "The sky is blue",
        "I bought a blue car",
    ],
    "我住在波尔图": [
        "波尔图的酒很好",
    ],
    "User has a cat": [
        "I have a dog",
        "the cat of Bruno",
    ],
    "User keeps bees": [
        "User keep cats",
        "I keep cats",
    ],
    "User's sister Ana moved to Porto": [
        "Ana called me today",
        "I like my sister",
    ],
    "fact 3": [
        "fact 4",
    ],
    "User own a cat": [
        "User own a dog",
        "I own a dog",
    ],
    "User's salary is 84,000 euros": [
        "I bought a car for 12,000 euros",
    ],
    "User was diagnosed with type 2 diabetes": [
        "My mother has diabetes",
        "I need 2 eggs",
    ],
    "User works at Siemens": [
        "Siemens shares fell",
        "I work on Mondays",
    ],
    "User is pregnant": [
        "My sister is pregnant",
    ],
    "User's girlfriend is Lena": [
        "My girlfriend likes tea",
    ],
    "User hates his boss Martin": [
        "I hate mondays",
    ],
    "User likes jazz": [
        "I like rock",
        "Jazz began in New Orleans",
    ],
    "User has two kids": [
        "I have two cats",
        "The kids next door are loud",
    ],
    "User's flight is LH 1234": [
        "My flight was late",
    ],
    "User plays tennis on Tuesdays": [
        "I play piano",
        "See you on Tuesday",
    ],
    "User drives a red Honda": [
        "I wore a red coat",
        "I drove home",
    ],
    "User moved to Berlin last week": [
        "I was ill last week",
        "Berlin is cold",
    ],
    "User's name is Ana": [
        "Banana bread",
        "What is my name?",
    ],
    "User is vegan": [
        "vegan cheese is expensive",
    ],
    "User keep bees": [
        "I keep cats",
        "User keep dogs",
    ],
}


@pytest.mark.parametrize("detail", REPEATED)
def test_repetition_is_recognised(detail: str) -> None:
    assert [text for text in REPEATED[detail] if not Detail(detail).is_in(text)] == []


@pytest.mark.parametrize("detail", OTHER)
def test_other_statement_is_no_repetition(detail: str) -> None:
    assert [text for text in OTHER[detail] if Detail(detail).is_in(text)] == []


def test_speaker_is_no_part_of_the_detail() -> None:
    detail = Detail("Ana lives in Porto", ["Ana"])
    assert detail.is_in("Ana, you live in Porto!")
    assert not detail.is_in("Ana has a cat")


def test_value_is_asked_for_apart() -> None:
    assert Detail("User's alarm code is 4471").is_in("it was 4471", by_value=True)
    assert not Detail("User lives in Porto").is_in("You live in Porto", by_value=True)
    assert not Detail("User cooks", vague=False).is_in("I cook")


def test_earlier_of_two_quoted_messages_is_no_detail() -> None:
    asked = 'User: "I passed my licence on 9 August" Assistant: "What is your callsign?"'
    assert without_earlier(f'{asked} User: "M7QZK"', asked) == 'Assistant: "What is your callsign?" User: "M7QZK"'
    assert without_earlier('User: "M7QZK"', "") == 'User: "M7QZK"'
