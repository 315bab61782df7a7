"""`MemLoRAMiddleware`: an agent made by `create_agent` recalls before it answers and remembers afterwards."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal, NotRequired, Required, TypedDict, get_args
from uuid import UUID

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
from langgraph.config import get_config
from langgraph.graph.message import add_messages
from langgraph.types import Command

from langchain_memlora.errors import InvalidInputError
from langchain_memlora.intake.messages import check_share, check_thread
from langchain_memlora.integrations.fail_open import FailOpen
from langchain_memlora.integrations.new_messages import digests_of, edited, since, worth_keeping
from langchain_memlora.integrations.owner import Owner, UserId
from langchain_memlora.integrations.progress import Progress, at_end, at_model_call, at_start
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

    Once a run, before its first model call, memories about the newest user message are recalled; every model call of the run
    finds them at the end of its system message, as delimited reference data. When the loop ends, the messages that are new
    to the memory or edited since are written. Recalled text is in no thread, checkpoint or stream, and never becomes a
    memory again.

    What other middleware redacts or refuses is neither searched for nor written, wherever it is in the list: a message counts
    as it is in the agent's state at the end of the run, and where a summary has replaced it, as the last model call received
    it. Messages that no model call received are not written.

    If the memory fails or is slow, the agent answers without it, and a warning is logged; after three failures in a row,
    recall is not tried for 30 seconds. A failed write is repeated by the next run. Only a missing user, or a thread whose id
    can't be stored, is an error.

    Args:
        memory: A `MemLoRAMemory`.
        user_id: The owner: an id, or a function of the run's `Runtime`, such as `lambda run: run.context.user_id`.
        agent_id: Keeps this agent's memories from other agents; it also reads the user's general memories.
        run_id: Likewise for a run or session.
        k: Recall at most this many memories and messages.
        budget: Number of tokens they may take, counted on the high side, since any model may read them.
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
        self._runs, self._run_key, self._progress = Runs(), f"{name}.run", f"{name}.progress"
        self._written = f"{name}.written"
        self._recalling = FailOpen("recall", recall_timeout, REST)
        self._writing = FailOpen("remember")
        self.state_schema = self._state()
        self.tools = memory_tools(memory, user_id=user_id, agent_id=agent_id, run_id=run_id) if tools else []

    @property
    def name(self) -> str:
        """The name of the graph's nodes, and the prefix of keys in the agent's state."""
        return self._name

    # -- before the loop -----------------------------------------------------------------------------------------

    def before_agent(self, state: Any, runtime: Runtime[Any]) -> dict[str, Any]:
        """Note which messages the run begins with. A missing user or an unusable thread is raised here."""
        _thread_id()  # raises for a thread that can't be written
        scope, last = self._owner.scope(runtime), self._runs.close(state.get(self._run_key))
        received = last.received if last and last.scope == scope else {}
        progress = at_start(state.get(self._progress), state["messages"], received)
        return {self._run_key: self._runs.open(Run(scope, received)), self._progress: progress}

    # -- around each model call: recall, and show it -------------------------------------------------------------

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelResponse[Any] | ExtendedModelResponse[Any]:
        """Put the recalled block at the end of the system message."""
        run, update = self._receive(request)
        if run.recalled is None:
            run.recalled = self._recalling.run(self._to_recall(run.scope, request.state), NOTHING)
        return _updating(handler(self._informed(request, run.recalled)), update)

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
    ) -> ModelResponse[Any] | ExtendedModelResponse[Any]:
        """Async version of `wrap_model_call`."""
        run, update = self._receive(request)
        if run.recalled is None:
            run.recalled = await self._recalling.arun(self._to_recall(run.scope, request.state), NOTHING)
        return _updating(await handler(self._informed(request, run.recalled)), update)

    # -- after the loop: remember --------------------------------------------------------------------------------

    def after_agent(self, state: Any, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """Write the messages that are new."""
        return self._writing.run(*self._to_write(state, runtime))

    async def aafter_agent(self, state: Any, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """Async version of `after_agent`."""
        return await self._writing.arun(*self._to_write(state, runtime))

    # -- inside --------------------------------------------------------------------------------------------------

    def _state(self) -> type:
        """Make the agent state of the hooks: a run's key; the progress, which holds only ids; digests of what was written."""
        keys = {
            "messages": Required[Annotated[list[AnyMessage], add_messages]],
            self._run_key: NotRequired[Annotated[str, PrivateStateAttr]],
            self._progress: NotRequired[Annotated[Progress, PrivateStateAttr]],
            self._written: NotRequired[Annotated[dict[str, str], PrivateStateAttr]],
        }
        return TypedDict("MemLoRAState", keys)  # type: ignore[operator]

    def _receive(self, request: ModelRequest[Any]) -> tuple[Run, dict[str, Any]]:
        """Take note of what a model call receives; returns the run, and what changes in the agent's state.

        The run is unknown if it goes on after an interrupt in another process.
        """
        state: Mapping[str, Any] = request.state
        messages, progress = state["messages"], state.get(self._progress)
        run, update = self._runs.get(state.get(self._run_key)), dict[str, Any]()
        if run is None:
            run = Run(self._owner.scope(request.runtime))
            update[self._run_key] = self._runs.open(run)
        if progress:
            new, after = at_model_call(progress, messages)
            run.received |= {message.id: message for message in new if message.id}
            if progress["open"]:
                update[self._progress] = after
        return run, update

    def _to_recall(self, scope: Scope, state: Mapping[str, Any]) -> Callable[[], str]:
        """Prepare the search for another thread."""
        progress = state.get(self._progress)
        messages = [m for m in state["messages"] if not progress or m.id not in progress["refused"]]
        if not (question := question_of(messages)):
            return lambda: NOTHING
        shown = {message.id for message in messages if message.id}
        return partial(self._search, question, scope, thread_id=_thread_id(), shown=shown)

    def _informed(self, request: ModelRequest[Any], recalled: str) -> ModelRequest[Any]:
        if not recalled:
            return request
        block = as_reference(recalled, self._instructions)
        return request.override(system_message=append_to_system(request.system_message, block))

    def _to_write(self, state: Any, runtime: Runtime[Any]) -> tuple[Callable[[], dict[str, Any]], dict[str, Any]]:
        """Prepare the write for another thread; also returns what changes in the agent's state if it fails."""
        key, messages, thread_id = state.get(self._run_key), state["messages"], _thread_id()
        run, progress = self._runs.get(key), state.get(self._progress)
        scope = run.scope if run else self._owner.scope(runtime)
        if progress is None:  # the run began before the memory was added to the agent
            progress = at_end(at_start(None, messages, ()), messages, ())[1]
        new, done = at_end(progress, messages, run.received if run else None)
        there = {message.id for message in messages}
        replaced = [message for key, message in run.received.items() if key not in there] if run else []
        known: Mapping[str, str] = state.get(self._written) or {}
        handled = messages[: len(messages) - len(since(messages, progress["written"]))]
        changed = [message for message in edited(handled, known) if message.id not in done["refused"]]
        kept = worth_keeping([*changed, *replaced, *new], tool_messages=self._tool_messages, recalling=NAMES)
        handed = {message.id for message in kept}
        digests = {**known, **digests_of([message for message in (*changed, *new) if message.id in handed])}
        digests = {key: digest for key, digest in digests.items() if key in there}

        def write() -> dict[str, Any]:
            written = known if self._write == "off" else digests
            try:
                self._add(kept, scope, thread_id)
            except InvalidInputError as error:  # a retry can't succeed: the mark moves on
                _log.warning("%d message(s) can't be remembered: %s", len(kept), loggable_error(error))
                written = known
            self._runs.close(key)
            return {self._progress: done, self._written: written}

        return write, {self._progress: {**done, "written": progress["written"]}}

    def _add(self, messages: Sequence[BaseMessage], scope: Scope, thread_id: str) -> None:
        # With "off" the mark moves on too, so that these messages are not written later either.
        if messages and self._write != "off":
            background = self._write == "background"
            self._memory.add(messages, **asdict(scope), thread_id=thread_id, background=background)


def _updating(response: ModelResponse[Any], update: dict[str, Any]) -> ModelResponse[Any] | ExtendedModelResponse[Any]:
    return ExtendedModelResponse(response, Command(update=update)) if update else response


def _thread_id() -> str:
    """Return the thread of the current run; empty without one. LangGraph also takes numbers and UUIDs.

    Raises:
        InvalidInputError: The memory can't take it.
    """
    thread_id = get_config().get("configurable", {}).get("thread_id")
    if thread_id is None:
        return ""
    if isinstance(thread_id, int | UUID) and not isinstance(thread_id, bool):
        thread_id = str(thread_id)
    check_thread(thread_id)
    return str(thread_id)


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
