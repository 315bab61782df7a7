"""Tests of content blocks, of what a model thought, and of ids that are no strings."""

from __future__ import annotations

import base64
import re
import uuid
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage
from support.field_faults import everything, in_files, model, say, texts

from langchain_memlora import MemLoRAMemory
from langchain_memlora.errors import InvalidInputError

pytestmark = pytest.mark.slow

# -- content blocks ----------------------------------------------------------------------------------------------------

PDF = base64.b64encode(b"%PDF-1.4 not really").decode()
READABLE = {
    "openai-input_text": {"type": "input_text", "text": "I own a parrot."},
    "langchain-text-plain": {"type": "text-plain", "text": "I own a parrot.", "mime_type": "text/plain"},
    "langchain-v0-file": {"type": "file", "source_type": "text", "text": "I own a parrot.", "mime_type": "text/plain"},
    "anthropic-document": {
        "type": "document",
        "source": {"type": "text", "media_type": "text/plain", "data": "I own a parrot."},
    },
    "anthropic-document-content": {
        "type": "document",
        "title": "Pets",
        "source": {"type": "content", "content": [{"type": "text", "text": "I own a parrot."}]},
    },
    "anthropic-search_result": {
        "type": "search_result",
        "source": "x",
        "title": "Pets",
        "content": [{"type": "text", "text": "I own a parrot."}],
    },
}
OPAQUE = {
    "anthropic-pdf": {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PDF}},
    "anthropic-url": {"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}},
    "openai-file": {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}},
    "openai-input_file": {"type": "input_file", "file_id": "file-123"},
    "openai-input_audio": {"type": "input_audio", "input_audio": {"data": PDF, "format": "wav"}},
    "langchain-audio": {"type": "audio", "base64": PDF, "mime_type": "audio/wav"},
    "langchain-video": {"type": "video", "url": "https://example.com/a.mp4"},
    "langchain-file": {"type": "file", "base64": PDF, "mime_type": "application/pdf"},
    "unheard-of": {"type": "hologram", "data": "?"},
}


@pytest.mark.parametrize("name", READABLE)
def test_text_of_blocks_is_read(memory: MemLoRAMemory, name: str) -> None:
    memory.add([HumanMessage([READABLE[name]])], user_id="ana")
    assert any("parrot" in turn.text for hit in memory.search("parrot", user_id="ana") for turn in hit.turns)


@pytest.mark.parametrize(("name", "alone"), [(name, i % 2 == 0) for i, name in enumerate(OPAQUE)])
def test_unreadable_block_is_an_error_beside_the_text(memory: MemLoRAMemory, name: str, alone: bool) -> None:
    text = [] if alone else [{"type": "text", "text": "I own a parrot."}]
    done = memory.add([HumanMessage([*text, OPAQUE[name]])], user_id="ana")
    assert done.errors
    assert any("parrot" in text for text in texts(memory)) is not alone
    assert PDF not in everything(memory, "parrot pdf wav")


@pytest.mark.parametrize(
    "content",
    [
        ["I own a parrot", "called Kiwi"],
        [{"type": "text", "text": "I own a parrot"}, "called Kiwi"],
        [{"type": "input_text", "text": "I own a parrot"}, {"type": "input_text", "text": "called Kiwi"}],
    ],
)
def test_parts_are_separated(memory: MemLoRAMemory, content: Any) -> None:
    memory.add([HumanMessage(content)], user_id="ana")
    found = [turn.text for hit in memory.search("parrot Kiwi", user_id="ana") for turn in hit.turns]
    assert found
    assert all(re.search(r"parrot\s+called", text) for text in found)


def test_assistant_blocks(memory: MemLoRAMemory) -> None:
    # Text is kept; reasoning and tool calls are no words of the assistant, and no errors either.
    answer = AIMessage(
        [
            {"type": "thinking", "thinking": "zebra plan", "signature": "s"},
            {"type": "reasoning", "reasoning": "zebra plan"},
            {"type": "text", "text": "Parrots need company."},
            {"type": "tool_use", "id": "1", "name": "weather", "input": {"city": "zebra"}},
        ]
    )
    done = memory.add([("user", "hm any advice"), answer], user_id="ana")
    seen = everything(memory, "parrots company zebra plan")
    assert "Parrots need company." in seen
    assert "zebra plan" not in seen.replace("Question: parrots company zebra plan", "")
    assert not done.errors


@pytest.mark.parametrize("block", [READABLE["openai-input_text"], OPAQUE["openai-file"]])
def test_blocks_through_an_agent(memory: MemLoRAMemory, block: Any) -> None:
    agent = create_agent(model("Nice."), middleware=[memory.as_middleware(user_id="ana")])
    say(agent, [block, {"type": "text", "text": "I play the cello."}])
    assert "cello" in "\n".join(texts(memory))
    assert "parrot" in "\n".join(texts(memory)) or block["type"] == "file"


# -- what a model thought ----------------------------------------------------------------------------------------------

THOUGHTS = [
    ("<think>zebra budget</think>Tea is fine.", ["Tea is fine."]),
    ("<THINK>\nzebra budget\n</THINK>\n\nTea is fine.", ["Tea is fine."]),
    ("<think>one <think>zebra</think> budget zebra</think>Tea is fine.", ["Tea is fine."]),
    ("Well. <think>zebra</think> Tea <think>zebra again</think>is fine.", ["Well.", "Tea", "is fine."]),
    ("zebra budget, first of all</think>Tea is fine.", ["Tea is fine."]),
    ("Tea is fine.\n<think>and the zebra budget", ["Tea is fine."]),
    ("< think >zebra</ think >Tea is fine.", ["Tea is fine."]),
    ("<Think id='1'>zebra</Think>Tea is fine.", ["Tea is fine."]),
    ("<thinking>zebra</thinking>Tea is fine.", ["Tea is fine."]),
]


@pytest.mark.parametrize(("text", "kept", "infer"), [(*one, i % 2 == 0) for i, one in enumerate(THOUGHTS)])
def test_thoughts_are_not_kept(memory: MemLoRAMemory, text: str, kept: list[str], infer: bool) -> None:
    memory.add([("user", "hm what to drink"), ("assistant", text), ("user", "I like tea")], user_id="ana", infer=infer)
    seen = everything(memory, "tea is fine", "budget")
    assert "zebra" not in seen
    assert "think" not in seen.lower()
    assert all(part in seen for part in kept)
    assert not any("zebra" in request.prompt for request in memory.engine.calls)
    assert in_files(memory, "zebra") == []


@pytest.mark.parametrize("text", ["<think>zebra</think>", "<think>zebra", "<THINK>zebra</THINK>\n "])
def test_message_of_thoughts_stores_no_turn(memory: MemLoRAMemory, text: str) -> None:
    done = memory.add([("user", "I like tea"), ("assistant", text)], user_id="ana")
    assert len(done.turn_ids) == 1
    assert "zebra" not in everything(memory, "tea", "zebra").replace("Question: zebra", "")


USERS = [
    "I parse logs with the tag <think>zebra</think> in them.",
    "My regex is r'<think>(.*?)</think>', with zebra flags.",
    "I write ```xml\n<think>\n  zebra\n</think>\n``` in my prompts.",
    "I hate it when models write <think> and zebra without end.",
]


@pytest.mark.parametrize(("text", "infer"), [(text, i % 2 == 0) for i, text in enumerate(USERS)])
def test_tags_of_users_stay(memory: MemLoRAMemory, text: str, infer: bool) -> None:
    memory.add(text, user_id="ana", infer=infer)
    found = [turn.text for hit in memory.search("zebra", user_id="ana", k=9) for turn in hit.turns]
    assert text in found


def test_thoughts_of_an_agent_are_not_kept(memory: MemLoRAMemory) -> None:
    chat = model(
        "<think>The zebra is broke.</think>Tea it is.", AIMessage([{"type": "text", "text": "<Think>zebra</Think>OK."}])
    )
    agent = create_agent(chat, middleware=[memory.as_middleware(user_id="ana")])
    say(agent, "hm what to drink", {"configurable": {"thread_id": "1"}})
    say(agent, "hm and to eat", {"configurable": {"thread_id": "2"}})
    seen = everything(memory, "drink tea it is", "eat OK")
    assert "zebra" not in seen
    assert "Tea it is." in seen


# -- ids that are no strings -------------------------------------------------------------------------------------------

KEY = uuid.UUID("12345678-1234-5678-1234-567812345678")


def refused(error: Exception, value: Any, name: str = "user_id") -> None:
    """Check that an error names the argument, and the type that was passed or the one to pass."""
    text = str(error).replace(repr(value), "")
    assert re.search(rf"\b{type(value).__name__}\b|\bstr\b|string|\btext\b", text), text
    assert name in text, text
    assert "other than '*'" not in text, text


@pytest.mark.parametrize("value", [7, 0, KEY, 10**20])
def test_number_or_uuid_as_user(memory: MemLoRAMemory, value: Any) -> None:
    # The id is accepted, and then only this user finds the memory, or it is refused with an error.
    memory.add("I own a parrot", user_id="ben")
    try:
        memory.add("I live in Porto", user_id=value)
    except InvalidInputError as error:
        refused(error, value)
        return
    assert "Porto" in everything(memory, "Where do I live?", user_id=value)
    assert "parrot" not in everything(memory, "parrot", user_id=value)
    assert "Porto" not in everything(memory, "Where do I live?", user_id="ben")
    assert texts(memory, str(value)) == ["User live in Porto"]
    assert memory.forget(user_id=value).turns == 1


@pytest.mark.parametrize("value", ["", "   ", "\t\n", "*", " * ", None])
def test_missing_user_is_refused_at_every_door(memory: MemLoRAMemory, value: Any) -> None:
    verbs = (
        lambda: memory.add("I live in Porto", user_id=value),
        lambda: memory.search("Porto", user_id=value),
        lambda: memory.delete_all(user_id=value),
        lambda: memory.forget(user_id=value),
        lambda: memory.as_tools(user_id=value),
        lambda: memory.as_middleware(user_id=value),
    )
    for verb in verbs:
        with pytest.raises(InvalidInputError):
            verb()
    assert memory.ledger.counts()["turns"] == 0


@pytest.mark.parametrize("value", [True, False, 1.5, float("nan"), b"ana", ["ana"], {"id": 1}])
def test_other_types_are_refused_and_named(memory: MemLoRAMemory, value: Any) -> None:
    with pytest.raises(InvalidInputError) as caught:
        memory.add("I live in Porto", user_id=value)
    refused(caught.value, value)
    assert memory.ledger.counts()["turns"] == 0


@pytest.mark.parametrize("value", [7, KEY, True])
def test_user_of_a_run(memory: MemLoRAMemory, value: Any) -> None:
    # The id is refused with an error, or accepted unless it is a bool.
    agent = create_agent(model("Nice."), middleware=[memory.as_middleware(user_id=lambda run: value)])
    try:
        say(agent, "I live in Porto")
    except InvalidInputError as error:
        refused(error, value)
        return
    assert value is not True
    assert texts(memory, str(value)) == ["User live in Porto"]


@pytest.mark.parametrize("field", ["agent_id", "run_id", "thread_id"])
@pytest.mark.parametrize("value", [7, KEY, True])
def test_agent_run_and_thread(memory: MemLoRAMemory, field: str, value: Any) -> None:
    # The id is refused with an error that names the argument, or accepted unless it is a bool.
    try:
        memory.add("I live in Porto", user_id="ana", **{field: value})
    except InvalidInputError as error:
        refused(error, value, field)
        return
    assert value is not True
    scope = {} if field == "thread_id" else {field: value}
    assert [item.text for item in memory.get_all(user_id="ana", **scope)] == ["User live in Porto"]
    if field != "thread_id":
        assert texts(memory) == []


@pytest.mark.parametrize("value", [7, KEY])
def test_tools_and_retriever_of_a_user(memory: MemLoRAMemory, value: Any) -> None:
    memory.add("I own a parrot", user_id="ben")
    try:
        save = memory.as_tools(user_id=value)[1]
        result = str(save.invoke({"fact": "User lives in Porto."}))
        found = memory.as_retriever(user_id=value).invoke("Where do I live?")
    except (InvalidInputError, ValueError) as error:  # pydantic checks the retriever's fields
        refused(error, value)
        return
    assert "Saved" in result
    assert [doc.page_content for doc in found][:1] == ["User lives in Porto."]
