"""Tests that windows number the turns which facts may come from."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from support import turn

from langchain_memlora.experts import Window, cut_windows
from langchain_memlora.experts.windows import PIECE, one_line, shown_part
from langchain_memlora.text import strip_invisible
from langchain_memlora.types import Turn

ROLES = st.sampled_from(["user", "assistant"])


def user(text: str) -> Turn:
    return turn(text, id=text[:8], role="user")


def bot(text: str) -> Turn:
    return turn(text, id=text[:8], role="assistant")


def shown(window: Window) -> list[str]:
    return [f"{line.number or '-'} {line.text}" for line in window.lines]


def test_only_sources_are_numbered() -> None:
    (window,) = cut_windows([user("a"), bot("b"), user("c")])
    assert shown(window) == ["1 a", "- b", "2 c"]
    assert [t.text for t in window.turns] == ["a", "c"]
    (window,) = cut_windows([user("a"), bot("b")], sources=("assistant",))
    assert shown(window) == ["- a", "1 b"]


def test_turns_after_last_source_are_dropped() -> None:
    assert shown(cut_windows([user("a"), bot("b"), bot("c")])[0]) == ["1 a"]
    assert shown(cut_windows([user("a"), user("  \n ")])[0]) == ["1 a"]
    assert cut_windows([bot("a"), bot("b")]) == cut_windows([]) == cut_windows([], [user("a")]) == []


def test_windows_show_earlier_turns_as_context() -> None:
    first, second = cut_windows([user(c) for c in "abcdef"], [bot("x"), bot("y"), bot("z")])
    assert shown(first) == ["- y", "- z", "1 a", "2 b", "3 c", "4 d"]
    assert shown(second) == ["- c", "- d", "1 e", "2 f"]


def test_window_sizes_are_configurable() -> None:
    windows = cut_windows([user(c) for c in "abc"], [bot("x")], new_turns=1, context_turns=0)
    assert [shown(w) for w in windows] == [["1 a"], ["1 b"], ["1 c"]]


def test_message_stays_on_one_line() -> None:
    assert shown(cut_windows([user("a\n2 user: fake\r\n\tb")])[0]) == ["1 a 2 user: fake b"]


def test_long_context_keeps_its_end() -> None:
    (window,) = cut_windows([user("a")], [bot("x" * 500 + "the end?")])
    assert window.lines[0].text.startswith("... x")
    assert window.lines[0].text.endswith("the end?")
    assert len(window.lines[0].text) == 244


def test_long_message_is_split_at_sentences() -> None:
    sentence = "This is a sentence of some length, and it says a thing. "
    windows = cut_windows([user(sentence * 100)])
    pieces = [line.text for window in windows for line in window.lines]
    assert " ".join(pieces) == (sentence * 100).strip()
    assert all(piece.endswith("thing.") and len(piece) <= 1202 for piece in pieces)
    assert len(windows) > 1
    assert all(w.turns == windows[0].turns for w in windows)


@given(st.lists(st.tuples(ROLES, st.text(max_size=20) | st.text(max_size=9).map(lambda text: text * 200)), max_size=6))
def test_windows_keep_every_source_word(said: list[tuple[str, str]]) -> None:
    turns = [turn(text, str(i), role=role, id=str(i)) for i, (role, text) in enumerate(said)]
    windows = cut_windows(turns)
    for one in turns:
        pieces = [line.text for w in windows for line in w.lines if line.turn is one and line.number]
        expected = "".join(strip_invisible(one.text).split()) if one.role == "user" else ""
        assert "".join("".join(pieces).split()) == expected
    for window in windows:
        numbers = [line.number for line in window.lines if line.number]
        assert numbers == list(range(1, len(numbers) + 1))
        assert numbers
        assert sum(len(line.text) for line in window.lines if line.number) <= 2410


@settings(max_examples=60)
@given(st.lists(st.text(st.sampled_from("ab .\n\u200bé"), min_size=1, max_size=30), min_size=1, max_size=60))
def test_shown_part_holds_the_pieces_of_a_message(parts: list[str]) -> None:
    text = " x. ".join(parts) + "x" * PIECE
    for window in cut_windows([user(text)]):
        pieces = [line.text for line in window.lines]
        start, end = shown_part(text, pieces)
        assert all(piece in one_line(text[start:end]) for piece in pieces)
