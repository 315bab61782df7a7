"""Async versions of verbs: the same code on the memory's own threads, so that no event loop waits for a model."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar


class HasExecutor(Protocol):
    """An owner of verbs, with the threads on which their async versions run."""

    @property
    def _executor(self) -> Executor: ...


S = TypeVar("S", bound=HasExecutor)
P = ParamSpec("P")
R = TypeVar("R")


def async_version(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], Coroutine[Any, Any, R]]:
    """Make the async version of a verb."""

    @functools.wraps(method)
    async def version(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        call = functools.partial(method, self, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._executor, call)

    version.__name__ = version.__qualname__ = f"a{method.__name__}"
    version.__doc__ = f"Async version of `{method.__name__}`."
    return version
