"""Async twins of verbs: one implementation for both worlds, and no event loop that waits for a model."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Concatenate, ParamSpec, Protocol, TypeVar

if TYPE_CHECKING:
    from langchain_memlora.memory.components import Components


class HasComponents(Protocol):
    """What an owner of verbs must have for their twins: threads to run them on."""

    _components: Components


S = TypeVar("S", bound=HasComponents)
P = ParamSpec("P")
R = TypeVar("R")


def async_version(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], Awaitable[R]]:
    """The async twin of a verb: the same code, on the memory's own threads."""

    @functools.wraps(method)
    async def twin(self: S, *args: P.args, **kwargs: P.kwargs) -> R:
        call = functools.partial(method, self, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._components.threads(), call)

    twin.__name__ = twin.__qualname__ = f"a{method.__name__}"
    twin.__doc__ = f"Async twin of `{method.__name__}`."
    return twin
