"""Tests of chat requests and of stop words in a growing reply."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_memlora.engines import ChatRequest
from langchain_memlora.engines.chat import StopFilter
from langchain_memlora.errors import InvalidInputError


@given(st.text("ab\ufffd", max_size=12), st.lists(st.text("ab", min_size=1, max_size=4), max_size=3))
def test_streamed_pieces_exclude_stop_words(text: str, stop: list[str]) -> None:
    ending = StopFilter(tuple(stop))
    pieces = [ending.read(text[:length]) for length in range(1, len(text) + 1)]
    pieces.append(ending.read(text, last=True))
    shown = "".join(pieces)
    assert shown == ending.text
    assert text.startswith(shown)
    assert not any(word in shown for word in stop)
    assert ending.reached == any(word in text for word in stop)
    assert ending.reached or shown == text


def test_possible_stop_word_is_withheld() -> None:
    ending = StopFilter(("END",))
    assert ending.read("the E") == "the "
    assert ending.read("the EN") == ""
    assert ending.read("the ENT") == "ENT"
    assert ending.read("the ENT\ufffd") == ""
    assert ending.read("the ENTé") == "é"
    assert ending.read("the ENTé, END of it") == ", "
    assert ending.read("the ENTé, END of it and more", last=True) == ""
    assert ending.text == "the ENTé, "


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ({"temperature": -0.1}, r"temperature=-0\.1"),
        ({"max_tokens": -1}, r"max_tokens=-1"),
        ({"top_p": 0.0}, r"top_p=0\.0"),
        ({"stop": "END"}, "stop is 'END'"),
        ({"stop": ("",)}, r"stop is \('',\)"),
        ({"messages": ()}, "messages is empty"),
    ],
)
def test_invalid_options_raise(options: dict, shown: str) -> None:
    with pytest.raises(InvalidInputError, match=shown):
        ChatRequest(**{"role": None, "messages": (("user", "hi"),), **options})
