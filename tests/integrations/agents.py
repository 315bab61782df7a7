"""An agent's chat model that says what it was told to say, and helpers around it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langgraph.graph.state import CompiledStateGraph
from pydantic import Field

from langchain_memlora import MemLoRAMemory
from langchain_memlora.integrations.prompting import CLOSING, OPENING

THREAD = {"configurable": {"thread_id": "thread-1"}}


class AgentModel(BaseChatModel):
    """Returns its answers in order, then "ok"; raises exceptions among them; keeps the prompts."""

    answers: list[Any] = Field(default_factory=list)
    seen: list[list[BaseMessage]] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "agent-model"

    def bind_tools(self, tools: Any, **kwargs: Any) -> AgentModel:
        return self

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self._next(messages))])

    def _stream(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        answer = self._next(messages)
        for word in answer.text.split(" "):
            yield ChatGenerationChunk(message=AIMessageChunk(content=f"{word} "))

    def _next(self, messages: list[BaseMessage]) -> AIMessage:
        self.seen.append(list(messages))
        answer = self.answers.pop(0) if self.answers else "ok"
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, AIMessage) else AIMessage(answer)

    @property
    def system(self) -> str:
        """The system message of the last call."""
        return self.seen[-1][0].text if self.seen[-1][0].type == "system" else ""

    @property
    def recalled(self) -> str:
        """Return the text between the delimiters in the last call."""
        return block(self.system)


_ids = itertools.count()


def call(tool: str, **arguments: Any) -> AIMessage:
    """A message that calls a tool."""
    request = {"name": tool, "args": arguments, "id": f"call-{next(_ids)}", "type": "tool_call"}
    return AIMessage("Let me see.", tool_calls=[request])


def block(text: str) -> str:
    """Return the text between the delimiters, which must occur once; empty if there are none."""
    if OPENING not in text:
        return ""
    assert text.count(OPENING) == text.count(CLOSING) == 1
    return text.split(OPENING)[1].split(CLOSING)[0].strip()


def agent_with(
    memory: MemLoRAMemory,
    answers: Sequence[Any] = (),
    *,
    agent_tools: Sequence[Any] = (),
    before: Any = (),
    **options: Any,
) -> tuple[CompiledStateGraph, AgentModel]:
    """An agent with a memory, and its model. Options of `create_agent` and of the middleware may be mixed."""
    model = AgentModel(answers=list(answers))
    for_agent = {key: options.pop(key) for key in ("checkpointer", "context_schema", "system_prompt") if key in options}
    middleware = memory.as_middleware(**{"user_id": "ana", **options})
    return create_agent(model, list(agent_tools), middleware=[*before, middleware], **for_agent), model


def say(agent: CompiledStateGraph, text: Any, config: Any = None, **options: Any) -> str:
    """One run; gives the agent's last words."""
    return agent.invoke({"messages": [("user", text)]}, config, **options)["messages"][-1].text


def told(memory: MemLoRAMemory, user_id: str = "ana") -> list[str]:
    """The texts of a user's memories."""
    return [item.text for item in memory.get_all(user_id=user_id)]
