"""`MemLoRAMiddleware`: an agent made by `create_agent` recalls before it answers and remembers afterwards."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal, NotRequired, Required, TypedDict, get_args

from langchain.agents.middleware import (
    AgentMiddleware,
    ExtendedModelResponse,
    ModelRequest,
    ModelResponse,
    TracePolicy,
    omit_payload,
)
from langchain.agents.middleware.types import PrivateStateAttr
from langchain_core.messages import AnyMessage, BaseMessage
from langgraph.channels.untracked_value import UntrackedValue
from langgraph.config import get_config
from langgraph.graph.message import add_messages
from langgraph.types import Command

from langchain_memlora.errors import InvalidInputError
from langchain_memlora.intake.messages import check_share
from langchain_memlora.integrations.fail_open import FailOpen
from langchain_memlora.integrations.new_messages import input_of, mark_before_input, mark_of, since, worth_keeping
from langchain_memlora.integrations.owner import Owner, UserId
from langchain_memlora.integrations.prompting import INSTRUCTIONS, append_to_system, as_reference
from langchain_memlora.integrations.recall import NOTHING, question_of, recall
from langchain_memlora.integrations.runs import Run, Runs
from langchain_memlora.integrations.tools import NAMES, memory_tools
from langchain_memlora.logs import loggable_error
from langchain_memlora.retrieval.relevance import FLOOR
from langchain_memlora.types import Scope

if TYPE_CHECKING:
    from langgraph.runtime import Runtime

    from langchain_memlora.memory.protocol import MemoryLike
    from langchain_memlora.retrieval import Include

Write = Literal["inline", "background", "off"]
NAME = "MemLoRAMiddleware"
REST = 30.0
_log = logging.getLogger(__name__)


class MemLoRAMiddleware(AgentMiddleware[Any, Any, Any]):
    """Gives an agent a long-term memory.

    Once a run, before the loop, memories about the newest user message are recalled; every model call of the run finds them at
    the end of its system message, as delimited reference data. When the loop ends, the messages that are new to the memory
    are written. Recalled text is in no thread, checkpoint or stream, and never becomes a memory again.

    If the memory fails or is slow, the agent answers without it, and a warning is logged; after three failures in a row,
    recall is not tried for 30 seconds. A failed write is repeated by the next run. Only a missing user is an error.

    Args:
        memory: A `MemLoRAMemory`.
        user_id: The owner: an id, or a function of the run's `Runtime`, such as `lambda run: run.context.user_id`.
        agent_id: Keeps this agent's memories from other agents; it also reads the user's general memories.
        run_id: Likewise for a run or session.
        k: Recall at most this many memories and messages.
        budget: Approximate number of tokens they may take.
        include: Recall `both`, or only `memories` or `turns`.
        min_score: Probability of relevance that recalled items must have, so that a message about nothing remembered recalls
            nothing; 0 recalls the best there is.
        write: `inline` writes before the run returns, `background` while the next one may begin; `off` writes the run's
            messages neither now nor later.
        recall_timeout: Seconds after which the agent goes on without memories; `None` waits. The first recall loads the
            embedder, unless `memory.warm()` did.
        tools: Also add the tools to search, save, update and forget.
        tool_messages: Also write the text around tool calls, and tool results.
        instructions: Text before the recalled block that explains it to the model.
        name: Distinguishes two memories of one agent. Keep it from one deployment to the next: it names graph nodes.

    Raises:
        MissingUserError: `user_id` is not a usable id; or, when the agent runs, its function returned none.
        InvalidInputError: Another argument can't be used.

    Example:
        ```python
        from langchain.agents import create_agent
        from langchain_core.language_models import GenericFakeChatModel

        from langchain_memlora import MemLoRAMemory

        model = GenericFakeChatModel(messages=iter(["Nice to meet you!"]))  # any chat model
        with MemLoRAMemory(path="/tmp/memlora-agent") as memory:
            agent = create_agent(model, middleware=[memory.as_middleware(user_id="ana")])
            agent.invoke({"messages": [("user", "Hi, I am a nurse in Porto.")]})
            print(memory.get_all(user_id="ana"))
        ```
    """

    trace_policy = TracePolicy(process_inputs=omit_payload, process_outputs=omit_payload)

    def __init__(
        self,
        memory: MemoryLike,
        *,
        user_id: UserId,
        agent_id: str | None = None,
        run_id: str | None = None,
        k: int = 5,
        budget: int = 500,
        include: Include = "both",
        min_score: float = FLOOR,
        write: Write = "inline",
        recall_timeout: float | None = 30.0,
        tools: bool = False,
        tool_messages: bool = False,
        instructions: str = INSTRUCTIONS,
        name: str = NAME,
    ) -> None:
        _check(k, budget, write, recall_timeout, name)
        check_share(min_score, "min_score")
        self._memory = memory
        self._owner = Owner(user_id, agent_id, run_id)
        self._search = partial(recall, memory, k=k, budget=budget, include=include, min_score=min_score)
        self._write = write
        self._tool_messages = tool_messages
        self._instructions = instructions
        self._name = name
        self._runs, self._run_key, self._mark = Runs(), f"{name}.run", f"{name}.mark"
        self._recalling = FailOpen("recall", recall_timeout, REST)
        self._writing = FailOpen("remember")
        self.state_schema = self._state()
        self.tools = memory_tools(memory, user_id=user_id, agent_id=agent_id, run_id=run_id) if tools else []

    @property
    def name(self) -> str:
        """The name of the graph's nodes, and the prefix of keys in the agent's state."""
        return self._name

    # -- before the loop: recall ---------------------------------------------------------------------------------

    def before_agent(self, state: Any, runtime: Runtime[Any]) -> dict[str, Any]:
        """Recall memories about the newest user message."""
        return self._started(state, self._recalling.run(self._to_recall(state, runtime), NOTHING))

    async def abefore_agent(self, state: Any, runtime: Runtime[Any]) -> dict[str, Any]:
        """Async version of `before_agent`."""
        return self._started(state, await self._recalling.arun(self._to_recall(state, runtime), NOTHING))

    # -- around each model call: show recalled memories ----------------------------------------------------------

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelResponse[Any] | ExtendedModelResponse[Any]:
        """Put the recalled block at the end of the system message."""
        if run := self._run(request):
            return handler(self._informed(request, run.recalled))
        # A run that continues after an interrupt: the recalled text is in no checkpoint.
        text = self._recalling.run(self._to_recall(request.state, request.runtime), NOTHING)
        return self._resumed(handler(self._informed(request, text)), text)

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
    ) -> ModelResponse[Any] | ExtendedModelResponse[Any]:
        """Async version of `wrap_model_call`."""
        if run := self._run(request):
            return await handler(self._informed(request, run.recalled))
        text = await self._recalling.arun(self._to_recall(request.state, request.runtime), NOTHING)
        return self._resumed(await handler(self._informed(request, text)), text)

    # -- after the loop: remember --------------------------------------------------------------------------------

    def after_agent(self, state: Any, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """Write the messages that are new."""
        return self._writing.run(self._to_write(state, runtime), None)

    async def aafter_agent(self, state: Any, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """Async version of `after_agent`."""
        return await self._writing.arun(self._to_write(state, runtime), None)

    # -- inside --------------------------------------------------------------------------------------------------

    def _state(self) -> type:
        """Make the agent state of the hooks: a run's key, in no checkpoint, and the mark, which is only an id."""
        keys = {
            "messages": Required[Annotated[list[AnyMessage], add_messages]],
            self._run_key: NotRequired[Annotated[str, UntrackedValue, PrivateStateAttr]],
            self._mark: NotRequired[Annotated[str, PrivateStateAttr]],
        }
        return TypedDict("MemLoRAState", keys)  # type: ignore[operator]

    def _run(self, request: ModelRequest[Any]) -> Run | None:
        state: Mapping[str, Any] = request.state
        return self._runs.get(state.get(self._run_key))

    def _to_recall(self, state: Any, runtime: Runtime[Any]) -> Callable[[], str]:
        """Prepare the search for another thread. The user is resolved here, where a missing one is raised."""
        scope, messages = self._owner.scope(runtime), state["messages"]
        if not (question := question_of(messages)):
            return lambda: NOTHING
        shown = {message.id for message in messages if message.id}
        return partial(self._search, question, scope, thread_id=_thread_id(), shown=shown)

    def _started(self, state: Any, recalled: str) -> dict[str, Any]:
        messages = state["messages"]
        update = {self._run_key: self._runs.open(Run(recalled, tuple(input_of(messages))))}
        return update if self._mark in state else {**update, self._mark: mark_before_input(messages)}

    def _informed(self, request: ModelRequest[Any], recalled: str) -> ModelRequest[Any]:
        if not recalled:
            return request
        block = as_reference(recalled, self._instructions)
        return request.override(system_message=append_to_system(request.system_message, block))

    def _resumed(self, response: ModelResponse[Any], recalled: str) -> ExtendedModelResponse[Any]:
        return ExtendedModelResponse(response, Command(update={self._run_key: self._runs.open(Run(recalled))}))

    def _to_write(self, state: Any, runtime: Runtime[Any]) -> Callable[[], dict[str, Any]]:
        """Prepare the write for another thread. A summary may have replaced the messages that the run began with."""
        scope, messages, thread_id = self._owner.scope(runtime), state["messages"], _thread_id()
        run = self._runs.close(state.get(self._run_key))
        ids = {message.id for message in messages}
        replaced = [message for message in (run.asked if run else ()) if message.id not in ids]
        new = [*replaced, *since(messages, state.get(self._mark, mark_of(messages)))]
        kept = worth_keeping(new, tool_messages=self._tool_messages, recalling=NAMES)
        done = {self._mark: mark_of(messages)}

        def write() -> dict[str, Any]:
            try:
                self._add(kept, scope, thread_id)
            except InvalidInputError as error:  # a retry can't succeed: the mark moves on
                _log.warning("%d message(s) can't be remembered: %s", len(kept), loggable_error(error))
            return done

        return write

    def _add(self, messages: Sequence[BaseMessage], scope: Scope, thread_id: str) -> None:
        # With "off" the mark moves on too, so that these messages are not written later either.
        if messages and self._write != "off":
            background = self._write == "background"
            self._memory.add(messages, **asdict(scope), thread_id=thread_id, background=background)


def _thread_id() -> str:
    """Return the thread of the current run; empty without one."""
    thread_id = get_config().get("configurable", {}).get("thread_id")
    return "" if thread_id is None else str(thread_id)


def _check(k: Any, budget: Any, write: Any, recall_timeout: Any, name: Any) -> None:
    if write not in get_args(Write):
        msg = f"write={write!r} can't be used. Pass {', '.join(map(repr, get_args(Write)))}."
        raise InvalidInputError(msg)
    for what, value in (("k", k), ("budget", budget)):
        if not isinstance(value, int) or value < 1:
            msg = f"{what}={value!r} can't be used. Pass an int of at least 1."
            raise InvalidInputError(msg)
    if recall_timeout is not None and not (isinstance(recall_timeout, int | float) and recall_timeout > 0):
        msg = f"recall_timeout={recall_timeout!r} can't be used. Pass seconds above 0, or None to wait."
        raise InvalidInputError(msg)
    if not isinstance(name, str) or not name.strip() or set(name) & set(":|"):
        msg = f"name={name!r} can't name graph nodes. Pass a non-empty string without ':' and '|'."
        raise InvalidInputError(msg)
