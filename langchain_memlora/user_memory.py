"""A memory as one user sees it: the same verbs, bound to a scope, to hand to code that should not see others."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from langchain_memlora.types import Scope

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

    from langchain_memlora.integrations.middleware import MemLoRAMiddleware
    from langchain_memlora.integrations.retriever import MemLoRARetriever
    from langchain_memlora.memory import MemLoRAMemory


class UserMemory:
    """A memory bound to one scope: the same verbs without `user_id`. Made by `MemLoRAMemory.for_user`.

    Example:
        ```python
        from langchain_memlora import MemLoRAMemory

        with MemLoRAMemory(path="/tmp/memlora-example") as memory:
            print(memory.for_user("ana").get_all())
        ```
    """

    _BY_SCOPE = frozenset({"add", "search", "answer", "get_all", "delete_all"})
    _BY_USER = frozenset({"get", "update", "delete", "history", "restore", "turns", "picture", "forget", "export"})

    def __init__(self, memory: MemLoRAMemory, scope: Scope) -> None:
        self._memory = memory
        self.scope = scope

    def as_middleware(self, **options: Any) -> MemLoRAMiddleware:
        """A middleware for `langchain.agents.create_agent`, for this user."""
        return self._memory.as_middleware(**asdict(self.scope), **options)

    def as_tools(self, **options: Any) -> list[BaseTool]:
        """Tools to search, save, update and forget, for this user."""
        return self._memory.as_tools(**asdict(self.scope), **options)

    def as_retriever(self, **options: Any) -> MemLoRARetriever:
        """A LangChain retriever, for this user."""
        return self._memory.as_retriever(**asdict(self.scope), **options)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        verb = name.removeprefix("a") if name.startswith("a") and name not in {"add", "answer"} else name
        if verb in self._BY_SCOPE:
            bound = {"user_id": self.scope.user_id, "agent_id": self.scope.agent_id, "run_id": self.scope.run_id}
        elif verb in self._BY_USER:
            bound = {"user_id": self.scope.user_id}
        else:
            msg = f"UserMemory has no {name!r}. It has {', '.join(sorted(self._BY_SCOPE | self._BY_USER))} and async twins."
            raise AttributeError(msg)
        return functools.partial(getattr(self._memory, name), **bound)
