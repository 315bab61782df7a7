"""The data of an agent's run, from its first hook to its last, outside of the agent's state.

An agent's state is streamed (also its private keys) and checkpointed; so recalled text stays here, and the state only holds
a key to it. If the key is unknown (the run continues in another process), the middleware recalls again.
"""

from __future__ import annotations

import threading
import uuid
from collections import OrderedDict
from dataclasses import dataclass, field

from langchain_core.messages import AnyMessage

from langchain_memlora.types import Scope

LIMIT = 1_000


@dataclass(slots=True)
class Run:
    """One run.

    Attributes:
        scope: The owner of what it recalls and writes.
        received: The messages that its model calls received, by id, as they were after the hooks of all middleware before
            the latest call. A summary may have replaced them in the thread since.
        recalled: The text that its model calls receive; `None` before the first.
    """

    scope: Scope
    received: dict[str, AnyMessage] = field(default_factory=dict)
    recalled: str | None = None


class Runs:
    """The unfinished runs, by key; the oldest are dropped above a limit."""

    def __init__(self) -> None:
        self._runs: OrderedDict[str, Run] = OrderedDict()
        self._lock = threading.Lock()

    def open(self, run: Run) -> str:
        """Keep a run, and return its key."""
        key = uuid.uuid4().hex
        with self._lock:
            self._runs[key] = run
            while len(self._runs) > LIMIT:
                self._runs.popitem(last=False)
        return key

    def get(self, key: str | None) -> Run | None:
        """Return the run with this key, if it is known."""
        return self._runs.get(key or "")

    def close(self, key: str | None) -> Run | None:
        """Remove and return the run with this key."""
        with self._lock:
            return self._runs.pop(key or "", None)
