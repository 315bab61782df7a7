"""Tests that a message's content blocks are stored or named in the result."""

from __future__ import annotations

import base64
import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage
from support import MAY_8
from support.pixels import block, png

from langchain_memlora import MemLoRAMemory
from langchain_memlora.types import AddResult
from tests.integrations.agents import agent_with, told

WORD = "zebrafish"
_numbers = itertools.count()


def coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def stored(memory: MemLoRAMemory, result: AddResult) -> list[str]:
    texts = {turn.id: turn.text for turn in memory.turns(result.turn_ids, user_id="ana")}
    return [texts[key] for key in result.turn_ids]


READABLE: dict[str, Any] = {
    "string": lambda text: text,
    "text": lambda text: {"type": "text", "text": text},
    "text without a type": lambda text: {"text": text},
    "input_text": lambda text: {"type": "input_text", "text": text},
    "output_text": lambda text: {"type": "output_text", "text": text},
    "refusal": lambda text: {"type": "refusal", "refusal": text},
    "text-plain": lambda text: {"type": "text-plain", "text": text, "mime_type": "text/plain"},
    "text-plain in base64": lambda text: {"type": "text-plain", "base64": coded(text), "mime_type": "text/plain"},
    "document of text": lambda text: {
        "type": "document",
        "source": {"type": "text", "media_type": "text/plain", "data": text},
    },
    "file of text": lambda text: {"type": "file", "base64": coded(text), "mime_type": "text/csv"},
    "file of OpenAI": lambda text: {
        "type": "file",
        "file": {"filename": "a.txt", "file_data": f"data:text/plain;base64,{coded(text)}"},
    },
    "file of an earlier version": lambda text: {"type": "file", "source_type": "text", "text": text},
    "audio with a transcript": lambda text: {"type": "audio", "base64": "AAAA", "transcript": text},
}
NESTING: dict[str, Any] = {
    "document of blocks": lambda inner: {"type": "document", "source": {"type": "content", "content": [inner]}},
    "search_result": lambda inner: {"type": "search_result", "source": "https://x.example", "content": [inner]},
    "non_standard": lambda inner: {"type": "non_standard", "value": {"type": "wrapped", "content": [inner]}},
    "unknown": lambda inner: {"type": "novelty", "content": [inner]},
}
UNREADABLE: dict[str, Any] = {
    "file": {"type": "file", "base64": "AAAA", "mime_type": "application/pdf"},
    "document": {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "AAAA"}},
    "audio": {"type": "audio", "base64": "AAAA", "mime_type": "audio/wav"},
    "input_audio": {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
    "video": {"type": "video", "url": "https://x.example/film.mp4"},
    "text-plain": {"type": "text-plain", "url": "https://x.example/a.txt", "mime_type": "text/plain"},
    "novelty": {"type": "novelty", "payload": WORD},
    "non_standard": {"type": "non_standard", "value": {"payload": WORD}},
}
NOTHING_SAID: dict[str, Any] = {
    "tool_call": {"type": "tool_call", "name": "find", "args": {"query": WORD}, "id": "1"},
    "tool_use": {"type": "tool_use", "name": "find", "input": {"query": WORD}, "id": "1"},
    "tool_result": {"type": "tool_result", "tool_use_id": "1", "content": [{"type": "text", "text": WORD}]},
    "server_tool_result": {"type": "server_tool_result", "tool_call_id": "1", "output": WORD},
    "reasoning": {"type": "reasoning", "reasoning": WORD},
    "thinking": {"type": "thinking", "thinking": WORD},
    "redacted_thinking": {"type": "redacted_thinking", "data": WORD},
}


@pytest.mark.parametrize("kind", READABLE)
def test_block_with_text_is_stored(memory: MemLoRAMemory, kind: str) -> None:
    result = memory.add(HumanMessage([READABLE[kind](f"I own a {WORD}.")]), user_id="ana", infer=False)
    assert (result.status, stored(memory, result)) == ("ok", [f"I own a {WORD}."])


@pytest.mark.parametrize("kind", UNREADABLE)
def test_block_without_text_is_an_error(memory: MemLoRAMemory, kind: str) -> None:
    alone = memory.add(HumanMessage([UNREADABLE[kind]]), user_id="ana")
    assert (alone.status, alone.turn_ids, len(alone.skipped)) == ("failed", (), 1)
    beside = memory.add(HumanMessage(["I like tea", UNREADABLE[kind]]), user_id="ana")
    assert (beside.status, stored(memory, beside)) == ("partial", ["I like tea"])
    for result in (alone, beside):
        assert [error.kind for error in result.errors] == ["InvalidInputError"]
        assert repr(kind) in result.errors[0].message
        assert WORD not in result.errors[0].message


@pytest.mark.parametrize("kind", NOTHING_SAID)
def test_reasoning_and_tool_blocks_are_omitted(memory: MemLoRAMemory, kind: str) -> None:
    message = AIMessage([NOTHING_SAID[kind], {"type": "text", "text": "Here you are."}])
    result = memory.add([message, AIMessage([NOTHING_SAID[kind]])], user_id="ana")
    assert (result.status, len(result.skipped), result.omitted) == ("ok", 1, (kind,))
    assert stored(memory, result) == ["Here you are."]


@given(data=st.data())
@settings(max_examples=15)
def test_every_block_is_stored_or_named(memory: MemLoRAMemory, data: Any) -> None:
    user_id, words, content, named = f"user-{next(_numbers)}", [], [], set()
    for number in range(data.draw(st.integers(1, 5), "blocks")):
        kind = data.draw(st.sampled_from([*READABLE, *UNREADABLE, *NOTHING_SAID]), "kind")
        if kind in READABLE:
            words.append(f"I keep {WORD} number {number}.")
            made = READABLE[kind](words[-1])
        else:
            made = UNREADABLE.get(kind) or NOTHING_SAID[kind]
        for nest in data.draw(st.lists(st.sampled_from([*NESTING]), max_size=3), "nesting"):
            made = NESTING[nest](made)
        if kind not in READABLE:
            named.add(kind)
        content.append(made)
    role = data.draw(st.sampled_from([HumanMessage, AIMessage]), "role")
    result = memory.add(role(content), user_id=user_id, infer=False, observed_at=MAY_8)
    text = "\n".join(turn.text for turn in memory.turns(result.turn_ids, user_id=user_id))
    assert all(word in text for word in words)
    told_of = " ".join((text, *result.omitted, *(error.message for error in result.errors)))
    assert all(kind.split()[0] in told_of or WORD in text for kind in named)
    assert (result.status == "ok") == (not result.errors)


# -- how texts are joined


@given(parts=st.lists(st.text(st.characters(codec="utf-8"), max_size=8), max_size=5))
@settings(max_examples=10)
def test_strings_of_an_assistant_are_one_text(memory: MemLoRAMemory, parts: list[str]) -> None:
    message = AIMessage(["I ", *parts])
    result = memory.add(message, user_id="ana", infer=False, thread_id=f"{next(_numbers)}")
    assert stored(memory, result) == [str(message.text)]


def test_strings_of_a_user_are_apart(memory: MemLoRAMemory) -> None:
    result = memory.add(HumanMessage(["I own a parrot", "called Kiwi"]), user_id="ana", infer=False)
    assert stored(memory, result) == ["I own a parrot\ncalled Kiwi"]


def test_assistant_text_is_one_text(memory: MemLoRAMemory) -> None:
    cited = [{"type": "text", "text": part} for part in ("It is said that ", "grass is green", ", often", ".")]
    assert stored(memory, memory.add(AIMessage(cited), user_id="ana")) == ["It is said that grass is green, often."]


def test_blocks_of_user_are_not_glued(memory: MemLoRAMemory) -> None:
    blocks = [READABLE["text"]("I live in Porto"), READABLE["document of text"]("My cat is Tom"), " and Ada"]
    result = memory.add(HumanMessage(blocks), user_id="ana")
    assert stored(memory, result) == ["I live in Porto\nMy cat is Tom and Ada"]


def test_title_is_read_with_its_text(memory: MemLoRAMemory) -> None:
    plan = {**READABLE["text-plain"]("Two rooms."), "title": "Our flat", "context": "From the agency."}
    assert stored(memory, memory.add(HumanMessage([plan]), user_id="ana")) == ["Our flat\nFrom the agency.\nTwo rooms."]


def test_images_in_other_blocks_are_read(memory: MemLoRAMemory) -> None:
    picture = block(png())
    url = f"data:image/png;base64,{picture['base64']}"
    colours = [{**block(png(colour)), "type": "file"} for colour in ("red", "blue")]
    content = [{"type": "input_image", "image_url": url}, *colours, NESTING["document of blocks"](block(png("gold")))]
    result = memory.add(HumanMessage([*content, "I saw these"]), user_id="ana", infer=False)
    assert [len(turn.images) for turn in memory.turns(result.turn_ids, user_id="ana")] == [4]


# -- in an agent


def test_agent_reads_all_blocks(memory: MemLoRAMemory) -> None:
    memory.add("I live in Porto", user_id="ana")
    agent, model = agent_with(memory, [AIMessage([NOTHING_SAID["reasoning"], {"type": "text", "text": "Fine."}])])
    agent.invoke({"messages": [HumanMessage([READABLE["input_text"]("I like tea where I live in Porto")])]})
    assert "User live in Porto" in model.recalled
    assert "User like tea where I live in Porto" in told(memory)
    assert not memory.search(WORD, user_id="ana", min_score=0.5)


def test_long_document_is_clipped(memory: MemLoRAMemory) -> None:
    agent, _ = agent_with(memory, [f"<think>{'hm ' * 20_000}</think>Short."])
    book = READABLE["document of text"]("hm I read books " * 5_000)
    agent.invoke({"messages": [HumanMessage([book, block(png())])]})
    turns = memory.search("Short books", user_id="ana", include="turns", k=9)
    assert {len(hit.turns[0].text) for hit in turns} == {50_000, len("Short.")}
