"""Work that callers don't wait for: one thread, a bounded queue of jobs that are already on disk.

The queue holds nothing that the ledger does not: killing the process at any moment leaves the jobs `pending`, and the next
opening works them off.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence

from langchain_memlora.ledger import Job
from langchain_memlora.types import AddResult, Scope

Work = Callable[[Scope, Sequence[Job]], AddResult]
KEPT_RESULTS = 1000


class Background:
    """One worker. Jobs of one scope are worked off in the order they came, a few at a time.

    Args:
        work: Does a few jobs of one scope; must not raise.
        at_once: How many jobs it is given at most.
        room: How many jobs may wait before `put` blocks.
    """

    def __init__(self, work: Work, *, at_once: int, room: int) -> None:
        self._work = work
        self._at_once = at_once
        self._room = room
        self._waiting: deque[Job] = deque()
        self._in_hand: list[Job] = []
        self._results: deque[AddResult] = deque(maxlen=KEPT_RESULTS)
        self._changed = threading.Condition()
        self._worker: threading.Thread | None = None
        self._closed = False

    def put(self, jobs: Sequence[Job], *, block: bool = True) -> None:
        """Queue jobs; blocks while the queue is full. After `close` they just stay where they are: on disk."""
        with self._changed:
            if block:
                self._changed.wait_for(lambda: self._closed or len(self._waiting) < self._room)
            if self._closed or not jobs:
                return
            self._waiting += jobs
            if self._worker is None:
                self._worker = threading.Thread(target=self._run, name="memlora-background", daemon=True)
                self._worker.start()
            self._changed.notify_all()

    def settle(self, user_id: str | None = None, timeout: float | None = None) -> bool:
        """Wait until nothing (of this user) is left to do; returns whether that came to pass in time."""

        def settled() -> bool:
            unfinished = (*self._in_hand, *self._waiting)
            return not any(user_id in (None, job.scope.user_id) for job in unfinished)

        with self._changed:
            return self._changed.wait_for(lambda: self._closed or settled(), timeout) and settled()

    def results(self) -> list[AddResult]:
        """What came of the work since this was last asked; each result is given once."""
        with self._changed:
            results = list(self._results)
            self._results.clear()
        return results

    def close(self) -> None:
        """Finish what is in hand and stop; what waits stays pending in the ledger."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            worker = self._worker
        if worker:
            worker.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._waiting)
                if self._closed:
                    return
                jobs = self._in_hand = self._take()
                self._changed.notify_all()
            result = self._work(jobs[0].scope, jobs)
            with self._changed:
                self._in_hand = []
                self._results.append(result)
                self._changed.notify_all()

    def _take(self) -> list[Job]:
        """The oldest job and the next ones of its scope: what one run of the graph can do together."""
        scope = self._waiting[0].scope
        taken = [job for job in self._waiting if job.scope == scope][: self._at_once]
        ids = {job.id for job in taken}
        self._waiting = deque(job for job in self._waiting if job.id not in ids)
        return taken
