"""Tests of the question about one sentence."""

from langchain_memlora.experts.sentence_prompt import sentence_prompt


def test_last_two_messages_are_shown_on_a_line_each() -> None:
    before = [("user", "first"), ("assistant", "How\nlong  is it?"), ("user", "no idea")]
    slots = sentence_prompt(before, "Ana", "Six nights.\nThen home. ", "Six nights.")
    assert slots["dialogue"] == "assistant: How long is it?\nuser: no idea\nAna: Six nights.\nThen home. "
    assert slots["sentence"] == "Six nights."


def test_long_messages_before_are_clipped_at_the_start() -> None:
    long = "a " * 200 + "How long?"
    shown = sentence_prompt([("assistant", long)], "user", "x " * 500, "x")["dialogue"].split("\n")[0]
    assert shown.startswith("assistant: ... a a")
    assert shown.endswith("How long?")
    assert len(shown) <= len("assistant: ... ") + 240
    assert sentence_prompt([("user", "b" * 240)], "user", "x", "x")["dialogue"].startswith("user: bbb")
