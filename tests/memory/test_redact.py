"""Tests that redacted text is in no file, prompt or embedding."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.vectorstores import InMemoryVectorStore
from support import BagOfWords, tell, texts
from support.files import files_with

from langchain_memlora import MemLoRAMemory
from langchain_memlora.errors import InvalidInputError
from langchain_memlora.ui.exchange import send_message
from tests.integrations.agents import agent_with, call, say

Make = Callable[..., MemLoRAMemory]
CARD = re.compile(r"\b\d{4}([ -]?\d{4}){3}\b")
NUMBER = "4111 1111 1111 1111"


def without_cards(text: str) -> str:
    return CARD.sub("[card]", text)


@pytest.mark.parametrize("backend", ["chroma"])
@pytest.mark.parametrize("options", [{}, {"infer": False}, {"background": True}])
def test_redacted_text_is_stored_nowhere(make_memory: Make, options: dict[str, Any]) -> None:
    prompts: list[str] = []
    embeddings = BagOfWords()
    memory = make_memory(
        redact=without_cards, embeddings=embeddings, extraction=lambda p: (prompts.append(p), tell(p))[1]
    )
    memory.add([f"I pay with {NUMBER}", ("assistant", f"Charged {NUMBER}.")], user_id="ana", **options)
    memory.flush()
    kept = memory.get_all(user_id="ana")[0]
    assert "pay with [card]" in kept.text
    memory.update(kept.id, f"User pays with {NUMBER}, mostly", user_id="ana")
    assert texts(memory.get_all(user_id="ana")) == ["User pays with [card], mostly"]
    assert not any(NUMBER in text for text in [*prompts, *embeddings.embedded])
    assert files_with(NUMBER.encode(), memory.path) == []


def test_fully_redacted_message_is_skipped(make_memory: Make) -> None:
    result = make_memory(redact=lambda text: "").add(["I own a cat"], user_id="ana")
    assert (result.skipped, result.turn_ids) == ((("", "empty"),), ())


@pytest.mark.parametrize(
    ("hook", "kind"), [(lambda text: 1 / 0, ZeroDivisionError), (lambda text: None, InvalidInputError)]
)
def test_failing_hook_stores_nothing(make_memory: Make, hook: Any, kind: type[Exception]) -> None:
    memory = make_memory(redact=hook)
    with pytest.raises(kind):
        memory.add(["I own a cat"], user_id="ana")
    assert memory.ledger.counts()["turns"] == 0


# -- hooks that leave nothing, or no text


NOTHING = {"empty": "", "blank": " \n"}


@pytest.mark.parametrize("left", NOTHING.values(), ids=NOTHING)
@pytest.mark.parametrize("options", [{}, {"infer": False}, {"background": True}])
def test_hook_that_leaves_nothing_stores_nothing(make_memory: Make, left: str, options: dict[str, Any]) -> None:
    memory = make_memory(redact=lambda text: left if "cat" in text else text)
    result = memory.add(["I own a cat", "I like tea"], user_id="ana", **options)
    memory.flush()
    assert ([reason for _, reason in result.skipped], len(result.turn_ids), result.errors) == (["empty"], 1, ())
    [kept] = memory.get_all(user_id="ana")
    assert "tea" in kept.text
    with pytest.raises(InvalidInputError, match=r"left nothing.*Pass"):
        memory.update(kept.id, "User owns a cat", user_id="ana")
    assert memory.get_all(user_id="ana") == [kept]
    assert memory.search("cat", user_id="ana") == memory.as_retriever(user_id="ana").invoke("cat") == []
    answer = memory.answer("Do I own a cat?", user_id="ana")
    assert (answer.known, answer.hits) == (False, ())


@pytest.mark.parametrize("left", NOTHING.values(), ids=NOTHING)
def test_tools_say_that_nothing_was_saved(make_memory: Make, left: str) -> None:
    memory = make_memory(redact=lambda text: left if "cat" in text else text)
    key = memory.add("I like tea", user_id="ana", infer=False).operations[0].memory_id
    search, save, update, _ = memory.as_tools(user_id="ana")
    calls = [(save, {"fact": "User owns a cat."}), (update, {"memory_id": key, "text": "User owns a cat."})]
    for tool, arguments in calls:
        result = tool.invoke({"name": tool.name, "args": arguments, "id": "1", "type": "tool_call"})
        assert result.status == "error"
        assert "left nothing" in result.text
    assert search.invoke({"query": "cat"}) == "Nothing is remembered about this."
    assert texts(memory.get_all(user_id="ana")) == ["I like tea"]


def test_agent_with_hook_that_leaves_nothing(make_memory: Make) -> None:
    memory = make_memory(redact=lambda text: "")
    agent, _ = agent_with(memory, [call("save_memory", fact="User owns a cat."), "Noted."], tools=True)
    assert say(agent, "I own a cat") == "Noted."
    assert memory.ledger.counts()["turns"] == 0


async def test_mcp_says_that_nothing_was_stored(make_memory: Make) -> None:
    mcp = pytest.importorskip("mcp", reason="the extra `mcp` is not installed")
    from langchain_memlora.integrations.mcp import build_server

    async with mcp.Client(build_server(make_memory(redact=lambda text: " "), "ana")) as client:
        added = (await client.call_tool("add_memory", {"message": "I own a cat"})).structured_content
    assert added["changes"] == []
    assert len(added["skipped"]) == 1


def test_page_with_hook_that_leaves_nothing(make_memory: Make) -> None:
    memory = make_memory(redact=lambda text: "")
    *_, done = send_message(memory, "Do I own a cat?", user_id="ana", thread_id="page")
    assert done.problems == ()
    assert done.result
    assert (done.result.turn_ids, [reason for _, reason in done.result.skipped]) == ((), ["empty"])


@pytest.mark.parametrize("left", [None, 7, b"bytes", ["I like tea"], "\ud800", "x" * 50_001])
def test_hook_without_text_is_an_error(make_memory: Make, left: Any) -> None:
    texts_left: dict[str, Any] = {"I own a cat": left, "User owns a cat": left}
    memory = make_memory(redact=lambda text: texts_left.get(text, text))
    key = str(memory.add("I like tea", user_id="ana", infer=False).operations[0].memory_id)
    before = memory.ledger.counts()
    for refused in (
        lambda: memory.add(["I like milk", "I own a cat"], user_id="ana"),
        lambda: memory.add("I own a cat", user_id="ana", infer=False),
        lambda: memory.update(key, "User owns a cat", user_id="ana"),
        lambda: memory.search("I own a cat", user_id="ana"),
    ):
        with pytest.raises(InvalidInputError, match=r"Return|Split|Decode"):
            refused()
    assert memory.ledger.counts() == before


def test_query_and_question_are_redacted(make_memory: Make) -> None:
    embeddings, prompts = BagOfWords(), []
    memory = make_memory(
        redact=without_cards,
        index=InMemoryVectorStore(embeddings),
        generation=lambda p: (prompts.append(p), "unknown")[1],
    )
    memory.add("I pay with my card", user_id="ana", infer=False)
    memory.search(f"Is {NUMBER} mine?", user_id="ana")
    memory.answer(f"Is {NUMBER} mine?", user_id="ana")
    memory.as_tools(user_id="ana")[1].invoke({"fact": f"User pays with {NUMBER}."})
    assert prompts
    assert not any(NUMBER in text for text in [*prompts, *embeddings.embedded])
