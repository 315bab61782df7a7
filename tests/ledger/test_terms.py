"""Tests of the terms of full-text search in any script: what is stored is found, and English ranks as before."""

from __future__ import annotations

import re
import sqlite3
import string
import unicodedata
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import ANA, add

from langchain_memlora.ledger import Ledger, lexical

CASES = {"as said": str, "upper": str.upper, "lower": str.lower, "title": str.title}
ACCENTED = "aáàâäãåāąbcčçdeéèêëęěfgğhiíìîïjklmnñoóòôöõøprsšşßtuúùûüůvwxyzž"
GREEK, CYRILLIC = "αάβγδεέηήιίκλμνοόπρσςτυύωώ", "абвгдеёжзийклмнопрстуфхцчшщъыьэюяіїєґ"
DEVANAGARI = ["क", "खा", "गि", "ची", "जु", "टे", "तो", "न्", "पं", "ब", "मृ", "य", "र", "ल", "स", "ह"]
UNSPACED = {
    "Han": "猫狗茶花水火山川日月人口手足车马",
    "kana": "あいかがきくさたなはまらわアイカガキクサタナ",
    "Hangul": "고양이강아지부산서울학교",
    "Thai": "กขคงจชดตนบปมยรลวสหอ",
    "Khmer": "កខគងចជដតនបមយរលសហ",
    "Burmese": "ကခဂငစဆဇညတထဒနပဖဗမယရလဝသဟအ",
}


def spaced(letters: Sequence[str]) -> st.SearchStrategy[str]:
    """Draw sentences of words with spaces between them."""
    words = st.lists(st.sampled_from(letters), min_size=2, max_size=8).map("".join)
    return st.lists(words, min_size=1, max_size=6).map(" ".join)


def plain(word: str) -> str:
    """Return a word without accents, as a person types it on another keyboard."""
    return "".join(c for c in unicodedata.normalize("NFD", word) if not "\u0300" <= c <= "\u036f")


def is_found(ledger: Ledger, text: str, word: str) -> bool:
    return add(ledger, text) in ledger.lexical(ANA, "memory", word, 1000)


@settings(max_examples=60)
@given(st.one_of(*map(spaced, (ACCENTED, GREEK, CYRILLIC, DEVANAGARI))), st.data())
def test_any_word_is_found_in_any_case_with_and_without_accents(ledger: Ledger, text: str, data: st.DataObject) -> None:
    word = data.draw(st.sampled_from(text.split()))
    key = add(ledger, text)
    asked = {name: change(word) for name, change in CASES.items()} | {"plain": plain(word)}
    asked["decomposed"] = unicodedata.normalize("NFD", word)
    assert [name for name, query in asked.items() if key not in ledger.lexical(ANA, "memory", query, 1000)] == []
    if word != plain(word):
        assert is_found(ledger, plain(text), word)


@settings(max_examples=60)
@given(st.sampled_from(sorted(UNSPACED)).flatmap(lambda s: st.text(UNSPACED[s], min_size=1, max_size=30)), st.data())
def test_any_part_of_text_without_spaces_is_found(ledger: Ledger, text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    assert is_found(ledger, text, text[start:end])


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("iPhone15を2台買った", "IPHONE15"),  # scripts side by side
        ("iPhone15を2台買った", "台"),
        ("我养了一只猫", "猫和狗"),  # a Han character may be a word
        ("ＡＢＣ ﾈｺ", "abcネコ"),  # full and half width
        ("½ cup", "½"),
        ("Foo™ bar", "foo"),
        ("می‌خواهم", "میخواهم"),  # an unseen joiner
    ],
)
def test_scripts_and_forms_mix(ledger: Ledger, text: str, query: str) -> None:
    assert is_found(ledger, text, query)


def test_pair_that_was_not_said_is_not_found(ledger: Ledger) -> None:
    assert not is_found(ledger, "กขค งจช", "ขก")
    assert not is_found(ledger, "고양이", "이고")


def test_whole_word_ranks_above_its_characters(ledger: Ledger) -> None:
    apart, word = add(ledger, "花火大会で生ビール"), add(ledger, "花生が好き")
    assert ledger.lexical(ANA, "memory", "花生", 5) == [word, apart]


def former_ranking(texts: Sequence[str], query: str) -> list[str]:
    """Rank texts as version 5 of the schema did: FTS5 saw the text itself, and the query's words as they were."""
    words = list(dict.fromkeys(re.findall(r"\w+", query.lower())))
    words = [word for word in words if word not in lexical.STOP_WORDS] or words
    terms = " OR ".join(f'"{word}"' for word in words)
    connection = sqlite3.connect(":memory:")
    connection.execute(
        "CREATE VIRTUAL TABLE v5 USING fts5(owner, text, item_id UNINDEXED, tokenize='porter unicode61')"
    )
    rows = [(3 * number, "me", text, str(number)) for number, text in enumerate(texts)]
    connection.executemany("INSERT INTO v5 (rowid, owner, text, item_id) VALUES (?, ?, ?, ?)", rows)
    ranked = "SELECT item_id FROM v5 WHERE v5 MATCH ? ORDER BY bm25(v5, 0.0, 1.0) LIMIT 20"
    found = [key for (key,) in connection.execute(ranked, (f'owner:"me" AND text:({terms})',))]
    connection.close()
    return found


ENGLISH = st.lists(
    st.sampled_from("I my the dogs dog moved moving tea, 3.14 don't a_b Porto! e-mail x2 Ana's running ran".split()),
    min_size=1,
    max_size=9,
).map(" ".join)


@settings(max_examples=25)
@given(st.lists(ENGLISH | st.text(string.printable, max_size=30), min_size=1, max_size=8), ENGLISH)
def test_ascii_ranks_as_before(ledger: Ledger, texts: list[str], query: str) -> None:
    with ledger.database.writing() as connection:
        lexical.remove_all(connection)
        for number, text in enumerate(texts):
            lexical.put(connection, ANA.user_id, "memory", number, str(number), text)
    if ledger.database.path:
        assert ledger.lexical(ANA, "memory", query, 20) == former_ranking(texts, query)
