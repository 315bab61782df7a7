"""A memory as one user sees it: the same verbs, bound to a scope, to hand to code that should not see others."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from langchain_memlora.errors import InvalidInputError
from langchain_memlora.types import Scope

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

    from langchain_memlora.integrations.middleware import MemLoRAMiddleware
    from langchain_memlora.integrations.retriever import MemLoRARetriever
    from langchain_memlora.memory.memory import MemLoRAMemory


class UserMemory:
    """A memory bound to one scope: the same verbs without `user_id`. Made by `MemLoRAMemory.for_user`.

    Example:
        ```python
        from langchain_memlora import MemLoRAMemory

        with MemLoRAMemory(path="/tmp/memlora-example") as memory:
            print(memory.for_user("ana").get_all())
        ```
    """

    _BY_SCOPE = frozenset(
        "add answer delete delete_all get get_all history picture restore search turns update".split()
    )
    _BY_USER = frozenset({"export", "forget"})

    def __init__(self, memory: MemLoRAMemory, scope: Scope) -> None:
        self._memory = memory
        self.scope = scope

    def as_middleware(self, **options: Any) -> MemLoRAMiddleware:
        """A middleware for `langchain.agents.create_agent`, for this user."""
        return self._bound(self._memory.as_middleware)(**options)

    def as_tools(self, **options: Any) -> list[BaseTool]:
        """Tools to search, save, update and forget, for this user."""
        return self._bound(self._memory.as_tools)(**options)

    def as_retriever(self, **options: Any) -> MemLoRARetriever:
        """A LangChain retriever, for this user."""
        return self._bound(self._memory.as_retriever)(**options)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        verb = name.removeprefix("a") if name.startswith("a") and name not in {"add", "answer"} else name
        if verb not in self._BY_SCOPE | self._BY_USER:
            msg = f"UserMemory has no {name!r}. It has {', '.join(sorted(self._BY_SCOPE | self._BY_USER))} and async twins."
            raise AttributeError(msg)
        return self._bound(getattr(self._memory, name), whole=verb in self._BY_USER)

    def __dir__(self) -> list[str]:
        verbs = self._BY_SCOPE | self._BY_USER
        return [*super().__dir__(), *verbs, *(f"a{verb}" for verb in verbs)]

    def _bound(self, verb: Callable[..., Any], *, whole: bool = False) -> Callable[..., Any]:
        """A verb for this scope; one that is about the whole of a user is not for a view of less."""
        bound = {"user_id": self.scope.user_id} if whole else asdict(self.scope)

        @functools.wraps(verb)
        def call(*args: Any, **options: Any) -> Any:
            if named := sorted(asdict(self.scope).keys() & options):
                msg = f"This view is bound to {self.scope}, but {', '.join(named)} was given. Leave it out."
                raise InvalidInputError(msg)
            if whole and self.scope != Scope(self.scope.user_id):
                msg = f"{verb.__name__} is about all of a user, but this view is of {self.scope}. Use `for_user(user_id)`."
                raise InvalidInputError(msg)
            return verb(*args, **options, **bound)

        return call
