"""Scripted experts, agents and readers of every door, for the tests of faults that users of comparable systems reported."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from langchain.agents import create_agent
from langchain.tools import tool
from langchain_core.messages import AIMessageChunk, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGenerationChunk

from langchain_memlora import MemLoRAMemory
from langchain_memlora.bundles import Bundle
from langchain_memlora.types import Memory
from support.experts import pair, plain_bundle
from support.files import files_with
from tests.integrations.agents import AgentModel

Make = Callable[..., MemLoRAMemory]
Rule = Callable[[str, str], "str | None"]

# -- experts -----------------------------------------------------------------------------------------------------------


def bundle_for(*languages: str) -> Bundle:
    """Return the plain bundle with these languages on its card; none means that any language is read."""
    bundle = plain_bundle()
    return dataclasses.replace(bundle, card=bundle.card.model_copy(update={"languages": languages}))


def reading(rows: dict[str, list[str]] | None = None) -> Callable[[str], str]:
    """Extract the scripted rows of a message that contains a key; else the message itself. "hm ..." states nothing."""
    scripts = rows or {}

    def extract(prompt: str) -> str:
        out: list[str] = []
        for number, text in re.findall(r"^(\d+) [^:\n]*: (.*)$", prompt, re.M):
            if keys := [key for key in scripts if key in text]:
                out += [f"{number} {row}" for key in keys for row in scripts[key]]
            elif text.startswith("forget "):
                out.append(f"{number} forget: {text.removeprefix('forget ').removeprefix('I ')}")
            elif not text.startswith("hm"):
                out.append(f"{number} {text.removeprefix('I ')}")
        return "\n".join(out) or "none"

    return extract


IGNORED = {"user", "my", "i", "the", "a", "is", "are", "forget", "that", "please", "in", "on", "now"}


def deciding(rule: Rule | None = None) -> Callable[[str], str]:
    """Decide by the rule; a request to forget deletes what shares two words with it; equal first three words are UPDATE."""

    def decide(prompt: str) -> str:
        old, new = pair(prompt)
        if rule and (label := rule(old, new)):
            return label
        if new.startswith("forget"):
            words = [{*re.findall(r"\w+", text.lower())} - IGNORED for text in (old, new)]
            return "DELETE" if len(words[0] & words[1]) >= 2 else "ADD"
        if old == new:
            return "NONE"
        return "UPDATE" if old.split()[:3] == new.split()[:3] else "ADD"

    return decide


# -- agents ------------------------------------------------------------------------------------------------------------


class Model(AgentModel):
    """Streams tool calls too."""

    def _stream(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        answer = self._next(messages)
        calls = [
            {"name": call["name"], "args": json.dumps(call["args"]), "id": call["id"], "index": number}
            for number, call in enumerate(answer.tool_calls)
        ]
        yield ChatGenerationChunk(message=AIMessageChunk(content=answer.content, tool_call_chunks=calls))


def model(*answers: Any) -> Model:
    """Return a chat model with these answers."""
    return Model(answers=list(answers))


@tool
def weather(city: str) -> str:
    """The weather in a city."""
    return f"Rain in {city}."


def say(agent: Any, text: Any, config: Any = None, **options: Any) -> list[BaseMessage]:
    """Run an agent on one user message; return the thread."""
    return agent.invoke({"messages": [("user", text)]}, config, **options)["messages"]


# -- messages ----------------------------------------------------------------------------------------------------------


def human(text: str, key: str) -> HumanMessage:
    """Return a user message with an id."""
    return HumanMessage(text, id=key)


def june(year: int) -> datetime:
    """Return noon of 1 June of a year."""
    return datetime(year, 6, 1, 12, tzinfo=UTC)


# -- what a memory returns ---------------------------------------------------------------------------------------------


def texts(memory: MemLoRAMemory, user_id: Any = "ana") -> list[str]:
    """Return the texts of a user's memories."""
    return [item.text for item in memory.get_all(user_id=user_id)]


def only(memory: MemLoRAMemory, word: str, user_id: str = "ana") -> Memory:
    """Return the one memory that contains a word."""
    (found,) = [item for item in memory.get_all(user_id=user_id) if word in item.text]
    return found


def recalled(memory: MemLoRAMemory, question: str, user_id: Any = "ana", **options: Any) -> str:
    """Return the system message of an agent that is asked a question; nothing is written."""
    chat = model()
    middleware = memory.as_middleware(user_id=user_id, write="off", min_score=0.0, **options)
    say(create_agent(chat, middleware=[middleware]), question)
    return chat.system


def everything(memory: MemLoRAMemory, *questions: str, user_id: Any = "ana") -> str:
    """Return all that search, answer, retriever, tools and middleware return for these questions."""
    out = texts(memory, user_id)
    for question in questions:
        for include in ("both", "memories", "turns"):
            for hit in memory.search(question, user_id=user_id, k=50, include=include):
                out += [hit.text, *(turn.text for turn in hit.turns)]
        answer = memory.answer(question, user_id=user_id, k=50, budget=5000)
        out += [answer.text, answer.context]
        out += [document.page_content for document in memory.as_retriever(user_id=user_id, k=50).invoke(question)]
        out.append(str(memory.as_tools(user_id=user_id, k=50)[0].invoke({"query": question})))
        out.append(recalled(memory, question, user_id, k=50, budget=5000))
    return "\n".join(out)


def in_files(memory: MemLoRAMemory, secret: str) -> list[str]:
    """Return the files of a memory that contain a text."""
    return files_with(secret.encode(), Path(memory.path))
