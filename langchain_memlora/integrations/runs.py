"""What a run of an agent passes from its first hook to its last, out of sight.

An agent's state is streamed (also its private keys) and checkpointed; so recalled text stays here, and the state only gets a
key to it. Where the key leads nowhere (the run went on in another process), one can recall again.
"""

from __future__ import annotations

import threading
import uuid
from collections import OrderedDict
from dataclasses import dataclass

from langchain_core.messages import AnyMessage

LIMIT = 1_000


@dataclass(frozen=True)
class Run:
    """One run.

    Attributes:
        recalled: What its model calls are shown.
        asked: The user messages it began with.
    """

    recalled: str
    asked: tuple[AnyMessage, ...] = ()


class Runs:
    """The runs under way, by key; of runs that never ended, the oldest are dropped."""

    def __init__(self) -> None:
        self._runs: OrderedDict[str, Run] = OrderedDict()
        self._lock = threading.Lock()

    def open(self, run: Run) -> str:
        """Keep a run; gives its key."""
        key = uuid.uuid4().hex
        with self._lock:
            self._runs[key] = run
            while len(self._runs) > LIMIT:
                self._runs.popitem(last=False)
        return key

    def get(self, key: str | None) -> Run | None:
        """The run with this key, if it is still here."""
        return self._runs.get(key or "")

    def close(self, key: str | None) -> Run | None:
        """The run with this key, which is over now."""
        with self._lock:
            return self._runs.pop(key or "", None)
