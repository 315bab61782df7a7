"""Background work: one thread and a bounded queue of jobs that are already on disk.

The queue holds nothing that the ledger does not: killing the process at any moment leaves the jobs `pending`, and the next
opening processes them.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence

from langchain_memlora.ledger import Job
from langchain_memlora.types import AddResult, Scope

Work = Callable[[Scope, Sequence[Job]], AddResult]
KEPT_RESULTS = 1000


class Worker:
    """One background thread. Jobs of one scope are processed in the order they came, a few at a time.

    Args:
        work: Processes a few jobs of one scope; must not raise.
        at_once: Pass it at most this many jobs.
        room: `put` blocks while this many jobs wait.
    """

    def __init__(self, work: Work, *, at_once: int, room: int) -> None:
        self._work = work
        self._at_once = at_once
        self._room = room
        self._waiting: deque[Job] = deque()
        self._in_progress: list[Job] = []
        self._results: deque[AddResult] = deque(maxlen=KEPT_RESULTS)
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def put(self, jobs: Sequence[Job], *, block: bool = True) -> None:
        """Queue jobs that are not queued yet; blocks while the queue is full. After `close` they stay pending on disk."""
        with self._changed:
            if block:
                self._changed.wait_for(lambda: self._closed or len(self._waiting) < self._room)
            known = {job.id for job in (*self._in_progress, *self._waiting)}
            new = [job for job in jobs if job.id not in known]
            if self._closed or not new:
                return
            self._waiting += new
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="memlora-background", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def settle(self, user_id: str | None = None, timeout: float | None = None) -> bool:
        """Wait until no job (of this user) is left; returns False on timeout."""

        def settled() -> bool:
            unfinished = (*self._in_progress, *self._waiting)
            return not any(user_id in (None, job.scope.user_id) for job in unfinished)

        with self._changed:
            return self._changed.wait_for(lambda: self._closed or settled(), timeout) and settled()

    def keep(self, result: AddResult) -> None:
        """Keep the result of background work that a caller's thread had to do first."""
        with self._changed:
            self._results.append(result)

    def results(self) -> list[AddResult]:
        """Return the results since the last call; each is returned once."""
        with self._changed:
            results = list(self._results)
            self._results.clear()
        return results

    def close(self) -> None:
        """Finish the jobs in progress and stop; waiting jobs stay pending in the ledger."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            thread = self._thread
        if thread:
            thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._waiting)
                if self._closed:
                    return
                jobs = self._in_progress = self._take()
                self._changed.notify_all()
            result = self._work(jobs[0].scope, jobs)
            with self._changed:
                self._in_progress = []
                self._results.append(result)
                self._changed.notify_all()

    def _take(self) -> list[Job]:
        """Take the oldest job and the next ones of its scope, which one run of the graph can process together."""
        scope = self._waiting[0].scope
        taken = [job for job in self._waiting if job.scope == scope][: self._at_once]
        ids = {job.id for job in taken}
        self._waiting = deque(job for job in self._waiting if job.id not in ids)
        return taken
