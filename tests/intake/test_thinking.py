"""Tests that what an assistant thought is not stored."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_memlora import MemLoRAMemory
from langchain_memlora.intake.messages import MAX_CHARACTERS
from langchain_memlora.intake.thinking import strip_thinking

TAGS = ("think", "thinking", "reasoning", "Think", "THINK", "thought")


def stored(memory: MemLoRAMemory, *messages: object) -> list[str]:
    result = memory.add(list(messages), user_id="ana", infer=False)
    texts = {turn.id: turn.text for turn in memory.turns(result.turn_ids, user_id="ana")}
    return [texts[key] for key in result.turn_ids]


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("<think>secret</think>\n\nHello.", "Hello."),
        ("<THINKING>secret</Thinking>Hello.", "Hello."),
        ('<reasoning effort="high">secret\nsecret</reasoning> Hello.', "Hello."),
        ("Hello.<think>secret", "Hello."),
        ("secret</think>Hello.", "Hello."),
        ("<think>a secret</think>Hello.<think>secret</think>Bye.", "Hello.\nBye."),
        ("<think>secret <think>secret</think> secret</think>Hello.", "Hello."),
        ("<think>secret <reasoning>secret</think> secret</reasoning>Hello.", "Hello."),
        ("<think>secret of <think> tags</think>Hello.", "Hello."),
        ("<think/>Hello.", "Hello."),
        ("The tag `<think>` opens and `</think>` closes.", "The tag `<think>` opens and `</think>` closes."),
        ("A <thinker> thinks.", "A <thinker> thinks."),
    ],
)
def test_thinking_is_not_stored(memory: MemLoRAMemory, said: str, kept: str) -> None:
    assert stored(memory, ("user", "hm"), ("assistant", said)) == ["hm", kept]
    blocks = [{"type": "text", "text": said[:9]}, {"type": "text", "text": said[9:]}]
    assert stored(memory, {"role": "assistant", "content": blocks}) == [kept]


@pytest.mark.parametrize(
    "said", ["<think>secret</think>", "<thinking>secret", "secret</reasoning> \n", "<think></think>"]
)
def test_message_of_thinking_stores_nothing(memory: MemLoRAMemory, said: str) -> None:
    result = memory.add([("assistant", said)], user_id="ana")
    assert (result.status, result.turn_ids, len(result.skipped)) == ("ok", (), 1)


@pytest.mark.parametrize("said", ["I write <think>x</think> in my HTML", "</think> ends it", "<reasoning>"])
def test_user_keeps_the_tags(memory: MemLoRAMemory, said: str) -> None:
    assert stored(memory, said) == [said]


@given(
    parts=st.lists(
        st.tuples(st.sampled_from(TAGS), st.lists(st.sampled_from(["a secret", "<think>", "`", "\n"]), max_size=4)),
        max_size=4,
    ),
    is_closed=st.booleans(),
)
def test_any_mix_of_tags(parts: list[tuple[str, list[str]]], is_closed: bool) -> None:
    text, said = "", []
    for number, (tag, thought) in enumerate(parts):
        said.append(f"reply {number}.")
        text += f"<{tag}>{' '.join(thought)}</{tag}> {said[-1]} "
    text += "" if is_closed else "<think> a secret"
    kept = strip_thinking(text)
    assert "secret" not in kept
    assert kept.split() == " ".join(said).split()


@pytest.mark.parametrize("unit", ["<think", "<think ", "< ", "<think>", "</think>", "<think>`", " <"])
def test_time_is_linear(unit: str) -> None:
    text = "<think" + (unit * MAX_CHARACTERS)[:MAX_CHARACTERS]
    start = time.perf_counter()
    strip_thinking(text)
    strip_thinking("<think" + " " * MAX_CHARACTERS)
    assert time.perf_counter() - start < 1
