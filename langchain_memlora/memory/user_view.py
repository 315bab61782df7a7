"""A memory as one user sees it: the same verbs, bound to a scope, for code that must not reach other users."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar

from langchain_memlora.errors import InvalidInputError
from langchain_memlora.memory.async_methods import HasExecutor, async_version
from langchain_memlora.memory.protocol import MemoryLike
from langchain_memlora.types import Scope

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from langchain_core.tools import BaseTool

    from langchain_memlora.integrations.middleware import MemLoRAMiddleware
    from langchain_memlora.integrations.retriever import MemLoRARetriever
    from langchain_memlora.retrieval import Include
    from langchain_memlora.types import AddResult, Answer, Erasure, Hit, Memory, Operation, Turn

P = ParamSpec("P")
R = TypeVar("R")
SCOPE_ARGUMENTS = {"user_id", "agent_id", "run_id"}


class _Memory(MemoryLike, HasExecutor, Protocol):
    """A memory that can also run verbs on its threads."""


def _of_scope(verb: Callable[Concatenate[UserMemory, P], R]) -> Callable[Concatenate[UserMemory, P], R]:
    """Refuse scope arguments by name: the view fixes them."""

    @functools.wraps(verb)
    def checked(self: UserMemory, /, *args: P.args, **options: P.kwargs) -> R:
        if named := sorted(SCOPE_ARGUMENTS & options.keys()):
            msg = f"This view is bound to {self.scope}, but {', '.join(named)} was given. Leave it out."
            raise InvalidInputError(msg)
        return verb(self, *args, **options)

    return checked


def _of_user(verb: Callable[Concatenate[UserMemory, P], R]) -> Callable[Concatenate[UserMemory, P], R]:
    """Also refuse a view of less than a user: the verb is about all agents and runs."""

    @functools.wraps(verb)
    def checked(self: UserMemory, /, *args: P.args, **options: P.kwargs) -> R:
        if self.scope != Scope(self.scope.user_id):
            msg = f"{verb.__name__} is about all of a user, but this view is of {self.scope}. Use `for_user(user_id)`."
            raise InvalidInputError(msg)
        return verb(self, *args, **options)

    return _of_scope(checked)


class UserMemory:
    """A memory bound to one scope: the verbs of `MemLoRAMemory` without `user_id`. Made by `MemLoRAMemory.for_user`.

    Args:
        memory: The memory of all users.
        scope: The user, and the agent and run if the view is of less.

    Every verb has an async version with an `a` in front. Arguments and errors are those of `MemLoRAMemory`.

    Raises:
        InvalidInputError: At a verb: a scope argument was given, or the verb is about all of a user and the view is of less.

    Example:
        ```python
        from langchain_memlora import MemLoRAMemory

        with MemLoRAMemory(path="/tmp/memlora-example") as memory:
            print(memory.for_user("ana").get_all())
        ```
    """

    def __init__(self, memory: _Memory, scope: Scope) -> None:
        self._memory = memory
        self.scope = scope
        self._bound: dict[str, Any] = asdict(scope)

    @property
    def _executor(self) -> Executor:
        return self._memory._executor

    # -- writing -------------------------------------------------------------------------------------------------

    @_of_scope
    def add(
        self,
        messages: Any,
        *,
        observed_at: datetime | None = None,
        thread_id: str = "",
        metadata: Mapping[str, Any] | None = None,
        infer: bool = True,
        background: bool = False,
    ) -> AddResult:
        """Store messages and remember the facts in them."""
        return self._memory.add(
            messages,
            **self._bound,
            observed_at=observed_at,
            thread_id=thread_id,
            metadata=metadata,
            infer=infer,
            background=background,
        )

    @_of_scope
    def update(self, memory_id: str, text: str) -> Operation:
        """Replace the text of a memory."""
        return self._memory.update(memory_id, text, **self._bound)

    @_of_scope
    def delete(self, memory_id: str) -> Operation:
        """Delete what a memory states, and whatever repeats it; `restore` undoes it."""
        return self._memory.delete(memory_id, **self._bound)

    @_of_scope
    def delete_all(self) -> list[Operation]:
        """Delete all memories that the scope can read, and withhold all its messages."""
        return self._memory.delete_all(**self._bound)

    @_of_scope
    def delete_turns(self, ids: Sequence[str]) -> list[Operation]:
        """Delete messages by their ids; `restore` undoes it."""
        return self._memory.delete_turns(ids, **self._bound)

    @_of_scope
    def restore(self, memory_id: str) -> Operation:
        """Undo the last change to a memory, or the deletion of a message."""
        return self._memory.restore(memory_id, **self._bound)

    @_of_user
    def export(self, path: str | Path) -> None:
        """Write everything of the user into a new file of JSON lines."""
        self._memory.export(path, user_id=self.scope.user_id)

    @_of_user
    def forget(self) -> Erasure:
        """Erase everything known about the user. This can't be undone."""
        return self._memory.forget(user_id=self.scope.user_id)

    # -- reading -------------------------------------------------------------------------------------------------

    @_of_scope
    def search(
        self,
        query: str,
        *,
        k: int = 5,
        include: Include = "both",
        filters: Mapping[str, Any] | None = None,
        min_score: float = 0.0,
    ) -> list[Hit]:
        """Find memories and raw turns, best first."""
        return self._memory.search(query, **self._bound, k=k, include=include, filters=filters, min_score=min_score)

    @_of_scope
    def answer(
        self,
        question: str,
        *,
        k: int = 5,
        budget: int = 250,
        include: Include = "both",
        filters: Mapping[str, Any] | None = None,
        images: Sequence[Any] = (),
    ) -> Answer:
        """Answer a question from memory, in a few words."""
        return self._memory.answer(
            question, **self._bound, k=k, budget=budget, include=include, filters=filters, images=images
        )

    @_of_scope
    def picture(self, reference: str) -> bytes:
        """Return a picture from the scope's messages, as the bytes of a PNG or JPEG file."""
        return self._memory.picture(reference, **self._bound)

    @_of_scope
    def get(self, memory_id: str) -> Memory:
        """Return one memory."""
        return self._memory.get(memory_id, **self._bound)

    @_of_scope
    def get_all(self, *, deleted: bool = False) -> list[Memory]:
        """Return all memories that the scope can read, oldest first."""
        return self._memory.get_all(**self._bound, deleted=deleted)

    @_of_scope
    def history(self, memory_id: str | None = None, *, deleted: bool = True) -> list[Operation]:
        """Return the changes to one memory, or to all that the scope can read, oldest first."""
        return self._memory.history(memory_id, **self._bound, deleted=deleted)

    @_of_scope
    def turns(self, ids: Sequence[str]) -> list[Turn]:
        """Return messages by their ids."""
        return self._memory.turns(ids, **self._bound)

    # -- for LangChain -------------------------------------------------------------------------------------------

    @_of_scope
    def as_middleware(self, /, **options: Any) -> MemLoRAMiddleware:
        """Make a middleware for `langchain.agents.create_agent`; see `MemLoRAMiddleware` for the options."""
        from langchain_memlora.integrations.middleware import MemLoRAMiddleware

        return MemLoRAMiddleware(self._memory, **self._bound, **options)

    @_of_scope
    def as_tools(self, /, **options: Any) -> list[BaseTool]:
        """Make tools to search, save, update and forget; see `memory_tools` for the options."""
        from langchain_memlora.integrations.tools import memory_tools

        return memory_tools(self._memory, **self._bound, **options)

    @_of_scope
    def as_retriever(self, /, **options: Any) -> MemLoRARetriever:
        """Make a LangChain retriever; see `MemLoRARetriever` for the options."""
        from langchain_memlora.integrations.retriever import MemLoRARetriever

        return MemLoRARetriever(memory=self._memory, **self._bound, **options)

    aadd = async_version(add)
    aupdate = async_version(update)
    adelete = async_version(delete)
    adelete_all = async_version(delete_all)
    adelete_turns = async_version(delete_turns)
    arestore = async_version(restore)
    aexport = async_version(export)
    aforget = async_version(forget)
    asearch = async_version(search)
    aanswer = async_version(answer)
    apicture = async_version(picture)
    aget = async_version(get)
    aget_all = async_version(get_all)
    ahistory = async_version(history)
    aturns = async_version(turns)
