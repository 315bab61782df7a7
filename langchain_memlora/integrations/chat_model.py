"""`ChatMemLoRA`: the model on this machine as a LangChain chat model, with any of its adapters or none."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, NoReturn, cast

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
    event loops may use one model, or several with different adapters, at once. Replies are generated one at a time.
    Leaving a stream early, or cancelling the task that waits for a reply, stops the generation.

    Every option may also be set for one call (`model.invoke(text, temperature=0.7)`), or bound.

    Args:
        engine: Runs the model, for instance a `TransformersEngine`. The chat model does not close it.
        role: The adapter to use; `None` for the base model. An expert was trained on its own prompts and answers
            others poorly.
        model: A name for traces and `response_metadata`.
        max_tokens: Maximum number of tokens in a reply.
        temperature: 0 takes the most probable token each time, so that replies are reproducible.
        top_p: Above temperature 0: sample only among the most probable tokens that together have this probability.
        stop: A reply ends before the first of these strings; those of a call replace these.
        seed: Random seed.

    Raises:
        InvalidInputError: A message or an option can't be used.
        ContextOverflowError: The messages and `max_tokens` do not fit into the model.
        EngineError: The engine failed, was closed, or has no such adapter.
        NotImplementedError: Tools or structured output were requested. A model this small can't do that reliably.

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
        return self._result(cast("Completion", completion))

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
        return self._result(cast("Completion", completion))

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
        """Count the tokens that the model reads for these messages, chat template included."""
        request = ChatRequest(self.role, _role_and_text(messages), max_tokens=0)
        return self.engine.submit_chat(request).result().prompt_tokens

    def get_num_tokens(self, text: str) -> int:
        """Count the tokens that a text adds to a message."""
        with_text, without = (self.get_num_tokens_from_messages([HumanMessage(content)]) for content in (text, ""))
        return with_text - without

    def bind_tools(self, tools: Sequence[Any], **options: Any) -> NoReturn:
        """Refuse tools, which a model this small can't call reliably.

        Raises:
            NotImplementedError: Always.
        """
        msg = (
            f"{self.model} is too small to call tools, so ChatMemLoRA has no bind_tools. Use it without tools, or use a "
            "larger chat model for the agent and keep the memory local: memory.as_middleware(...) works with any."
        )
        raise NotImplementedError(msg)

    def with_structured_output(self, schema: Any, **options: Any) -> NoReturn:
        """Refuse schemas, which a model this small can't follow reliably.

        Raises:
            NotImplementedError: Always.
        """
        msg = (
            f"{self.model} is too small to keep to a schema, so ChatMemLoRA has no with_structured_output. "
            "Parse its text yourself, or use a larger chat model."
        )
        raise NotImplementedError(msg)

    def _request(self, messages: list[BaseMessage], stop: list[str] | None, options: dict[str, Any]) -> ChatRequest:
        options = {name: value for name, value in options.items() if name != "stream"}  # LangChain's own
        if unknown := sorted(options.keys() - set(PER_CALL)):
            msg = f"{', '.join(unknown)} can't be set for a call. Pass only {', '.join(PER_CALL)} and stop."
            raise InvalidInputError(msg)
        chosen = {name: getattr(self, name) for name in PER_CALL} | options
        words = stop if stop is not None else self.stop or ()
        return ChatRequest(messages=_role_and_text(messages), stop=tuple(words), **chosen)

    def _result(self, completion: Completion) -> ChatResult:
        message = AIMessage(
            completion.text, response_metadata=self._metadata(completion), usage_metadata=_usage(completion)
        )
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _chunk(self, piece: str | Completion) -> ChatGenerationChunk:
        """Make a chunk of text, or the last chunk with the metadata."""
        if isinstance(piece, str):
            return ChatGenerationChunk(message=AIMessageChunk(content=piece))
        last = AIMessageChunk(
            content="", response_metadata=self._metadata(piece), usage_metadata=_usage(piece), chunk_position="last"
        )
        return ChatGenerationChunk(message=last)

    def _metadata(self, completion: Completion) -> dict[str, Any]:
        reason = "stop" if completion.finished else "length"
        return {"model_name": self.model, "adapter": completion.adapter, "finish_reason": reason}


@contextlib.contextmanager
def _overflow() -> Iterator[None]:
    """Raise LangChain's own error for messages that are too long, so that its middleware can shorten them."""
    try:
        yield
    except PromptTooLongError as error:
        raise ContextOverflowError(str(error)) from error


def _role_and_text(messages: Sequence[BaseMessage]) -> tuple[tuple[str, str], ...]:
    """Convert messages to roles and texts as chat templates name them."""
    for message in messages:
        if message.type not in SPEAKERS:
            msg = (
                f"A message of type {message.type!r} can't be read by ChatMemLoRA. "
                f"Pass {', '.join(SPEAKERS)} messages, and leave out tool messages."
            )
            raise InvalidInputError(msg)
        if isinstance(message.content, list):
            kinds = {str(block.get("type")) for block in message.content if isinstance(block, dict)} - {"text"}
            if kinds:
                msg = f"A message holds {', '.join(sorted(kinds))}, but ChatMemLoRA reads only text. Leave it out."
                raise InvalidInputError(msg)
    return tuple((SPEAKERS[message.type], str(message.text)) for message in messages)


def _usage(completion: Completion) -> UsageMetadata:
    read, written = completion.prompt_tokens, completion.completion_tokens
    return UsageMetadata(input_tokens=read, output_tokens=written, total_tokens=read + written)
