"""Runs memory work for an agent: on threads of its own, within a time limit, and so that a failure never fails the agent."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from langgraph.errors import GraphBubbleUp

from langchain_memlora.logs import loggable_error

T = TypeVar("T")
THREADS = 8
FAILURES = 3
_log = logging.getLogger(__name__)


class FailOpen:
    """A circuit breaker for calls of one kind: if one fails or takes too long, the agent goes on without its result.

    Context variables of the agent's run don't reach the threads, so the memory's computations can neither stream into
    the agent's output nor write into its checkpoints.

    Args:
        what: The verb for the log, such as "recall".
        timeout: Seconds to wait for a result; `None` waits without limit.
        rest: Seconds without attempts after three failures in a row; then one call tries again. `None` always tries.

    The first failure is logged as a warning, the following ones at DEBUG, until a call succeeds.
    """

    def __init__(self, what: str, timeout: float | None = None, rest: float | None = None) -> None:
        self._what = what
        self._timeout = timeout
        self._rest = rest
        self._failures = 0
        self._rests_until = 0.0
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix=f"memlora-{what}")

    def run(self, work: Callable[[], T], otherwise: T) -> T:
        """Return the result of the work, or `otherwise`."""
        if self._resting():
            return otherwise
        future = self._threads.submit(work)
        try:
            result = future.result(self._timeout)
        except GraphBubbleUp:  # an interrupt or a command is not a failure
            raise
        except Exception as error:
            future.cancel()
            return self._failed(error, otherwise)
        self._failures = 0
        return result

    async def arun(self, work: Callable[[], T], otherwise: T) -> T:
        """Async version of `run`; the event loop is free meanwhile."""
        if self._resting():
            return otherwise
        try:
            result = await asyncio.wait_for(asyncio.wrap_future(self._threads.submit(work)), self._timeout)
        except GraphBubbleUp:
            raise
        except Exception as error:
            return self._failed(error, otherwise)
        self._failures = 0
        return result

    def _resting(self) -> bool:
        """Return True to skip this call. The first call after a rest tries; concurrent calls still skip."""
        if self._rest is None or self._failures < FAILURES:
            return False
        if time.monotonic() < self._rests_until:
            return True
        self._rests_until = time.monotonic() + self._rest
        return False

    def _failed(self, error: Exception, otherwise: T) -> T:
        level = logging.DEBUG if self._failures else logging.WARNING
        self._failures += 1
        if self._rest is not None:
            self._rests_until = time.monotonic() + self._rest
        late = isinstance(error, TimeoutError) and not str(error)
        _log.log(
            level,
            "Memory failed to %s, the agent goes on without it (%s). Logged once until it works again.",
            self._what,
            f"no result within {self._timeout} s" if late else loggable_error(error),
        )
        return otherwise
