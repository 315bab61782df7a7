"""`ChatMemLoRA`: the model on this machine as a LangChain chat model, with any of its adapters or none."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, NoReturn

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.exceptions import ContextOverflowError
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import Field

from langchain_memlora.engines.base import Completion, Engine
from langchain_memlora.engines.chat import ChatRequest
from langchain_memlora.errors import InvalidInputError, PromptTooLongError
from langchain_memlora.integrations.streams import astream, stream

SPEAKERS = {"system": "system", "human": "user", "ai": "assistant"}
PER_CALL = ("role", "max_tokens", "temperature", "top_p", "seed")


class ChatMemLoRA(BaseChatModel):
    """The local base model, or one of its experts, as a chat model. `MemLoRAMemory.as_chat_model` makes one.

    It shares the engine of the memory: only the engine's worker thread touches the model, so any number of threads and
    event loops may use one model, or several with different adapters, at once. Replies are written one at a time.
    Leaving a stream early, or cancelling the task that waits for a reply, stops the generation.

    Every option may also be given for one call (`model.invoke(text, temperature=0.7)`), or bound.

    Args:
        engine: What computes, for instance a `TransformersEngine`. Whoever made it closes it.
        role: The adapter to use; `None` for the base model. An expert was trained on its own prompts and says little of
            use to others.
        model: A name for traces and `response_metadata`.
        max_tokens: A reply has at most this many tokens.
        temperature: 0 takes the most probable token each time, so that a reply can be repeated.
        top_p: Above temperature 0: draw only among the most probable tokens that together have this probability.
        stop: A reply ends before the first of these strings; given for one call, they take the place of these.
        seed: Makes chance repeatable.

    Raises:
        InvalidInputError: A message or an option can't be used.
        ContextOverflowError: The messages and `max_tokens` do not fit into the model.
        EngineError: The engine failed, was closed, or has no such adapter.
        NotImplementedError: Tools or structured output were asked for. A model this small can't do that reliably.

    Example:
        ```python
        from langchain_memlora import MemLoRAMemory

        with MemLoRAMemory(path="/tmp/memlora-example") as memory:
            model = memory.as_chat_model(max_tokens=40)
            for chunk in model.stream("What is a good name for a cat?"):
                print(chunk.text, end="", flush=True)
        ```
    """

    engine: Engine = Field(exclude=True, repr=False)
    role: str | None = None
    model: str = "memlora"
    max_tokens: int = Field(default=256, ge=1)
    temperature: float = Field(default=0.0, ge=0)
    top_p: float = Field(default=1.0, gt=0, le=1)
    stop: list[str] | None = None
    seed: int | None = None

    @property
    def _llm_type(self) -> str:
        return "memlora"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("model", *PER_CALL, "stop")}

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **options: Any,
    ) -> ChatResult:
        request = self._request(messages, stop, options)
        with _overflow():
            *_, completion = stream(self.engine, request)
        return self._result(completion)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **options: Any,
    ) -> ChatResult:
        request = self._request(messages, stop, options)
        with _overflow():
            async for piece in astream(self.engine, request):
                completion = piece
        return self._result(completion)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **options: Any,
    ) -> Iterator[ChatGenerationChunk]:
        request = self._request(messages, stop, options)
        with _overflow(), contextlib.closing(stream(self.engine, request)) as pieces:
            for piece in pieces:
                yield self._chunk(piece)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **options: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        request = self._request(messages, stop, options)
        with _overflow():
            async with contextlib.aclosing(astream(self.engine, request)) as pieces:
                async for piece in pieces:
                    yield self._chunk(piece)

    def get_num_tokens_from_messages(self, messages: list[BaseMessage], tools: Sequence[Any] | None = None) -> int:
        """How many tokens the model reads for these messages, the marks between them included."""
        request = ChatRequest(self.role, _said(messages), max_tokens=0)
        return self.engine.submit_chat(request).result().prompt_tokens

    def get_num_tokens(self, text: str) -> int:
        """How many tokens a text adds to a message."""
        with_text, without = (self.get_num_tokens_from_messages([HumanMessage(said)]) for said in (text, ""))
        return with_text - without

    def bind_tools(self, tools: Sequence[Any], **options: Any) -> NoReturn:
        """Not for a model this small.

        Raises:
            NotImplementedError: Always.
        """
        msg = (
            f"{self.model} is too small to call tools, so ChatMemLoRA has no bind_tools. Use it without tools, or take a "
            "larger chat model for the agent and keep the memory local: memory.as_middleware(...) works with any."
        )
        raise NotImplementedError(msg)

    def with_structured_output(self, schema: Any, **options: Any) -> NoReturn:
        """Not for a model this small.

        Raises:
            NotImplementedError: Always.
        """
        msg = (
            f"{self.model} is too small to keep to a schema, so ChatMemLoRA has no with_structured_output. "
            "Read its text yourself, or take a larger chat model."
        )
        raise NotImplementedError(msg)

    def _request(self, messages: list[BaseMessage], stop: list[str] | None, options: dict[str, Any]) -> ChatRequest:
        options = {name: value for name, value in options.items() if name != "stream"}  # LangChain's own
        if unknown := sorted(options.keys() - set(PER_CALL)):
            msg = f"{', '.join(unknown)} can't be set for a call. What can is {', '.join(PER_CALL)} and stop."
            raise InvalidInputError(msg)
        chosen = {name: getattr(self, name) for name in PER_CALL} | options
        words = stop if stop is not None else self.stop or ()
        return ChatRequest(messages=_said(messages), stop=tuple(words), **chosen)

    def _result(self, completion: Completion) -> ChatResult:
        message = AIMessage(
            completion.text, response_metadata=self._metadata(completion), usage_metadata=_usage(completion)
        )
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _chunk(self, piece: str | Completion) -> ChatGenerationChunk:
        """Text, or at the end everything else."""
        if isinstance(piece, str):
            return ChatGenerationChunk(message=AIMessageChunk(piece))
        last = AIMessageChunk(
            "", response_metadata=self._metadata(piece), usage_metadata=_usage(piece), chunk_position="last"
        )
        return ChatGenerationChunk(message=last)

    def _metadata(self, completion: Completion) -> dict[str, Any]:
        reason = "stop" if completion.finished else "length"
        return {"model_name": self.model, "adapter": completion.adapter, "finish_reason": reason}


@contextlib.contextmanager
def _overflow() -> Iterator[None]:
    """Tell LangChain in its own words that the messages are too long, so that its middleware can shorten them."""
    try:
        yield
    except PromptTooLongError as error:
        raise ContextOverflowError(str(error)) from error


def _said(messages: Sequence[BaseMessage]) -> tuple[tuple[str, str], ...]:
    """Who speaks and what is said, in the words of chat templates."""
    for message in messages:
        if message.type not in SPEAKERS:
            msg = (
                f"A message of type {message.type!r} can't be read by ChatMemLoRA. "
                f"Pass {', '.join(SPEAKERS)} messages; leave out those of tools."
            )
            raise InvalidInputError(msg)
        if isinstance(message.content, list):
            kinds = {str(block.get("type")) for block in message.content if isinstance(block, dict)} - {"text"}
            if kinds:
                msg = f"A message holds {', '.join(sorted(kinds))}, but ChatMemLoRA reads text. Leave it out."
                raise InvalidInputError(msg)
    return tuple((SPEAKERS[message.type], str(message.text)) for message in messages)


def _usage(completion: Completion) -> UsageMetadata:
    read, written = completion.prompt_tokens, completion.completion_tokens
    return UsageMetadata(input_tokens=read, output_tokens=written, total_tokens=read + written)
