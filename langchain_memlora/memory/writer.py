"""The write path of a memory: runs the remember graph on new turns and unfinished jobs, and reports the results."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import groupby
from typing import Any, Literal

from langchain_memlora.errors import MemLoRAError
from langchain_memlora.graph import Services, build_remember_graph, compile_without_checkpointer
from langchain_memlora.graph.extract import ATTEMPTS
from langchain_memlora.graph.state import RememberInput
from langchain_memlora.intake.messages import Given
from langchain_memlora.ledger import Job, NewOperation, Recorded, Retention, new_id, now
from langchain_memlora.logs import loggable_error
from langchain_memlora.memory.reread import Progress, reread
from langchain_memlora.memory.worker import Worker
from langchain_memlora.types import AddResult, Erasure, Event, Failure, Reread, Scope, Turn

STEPS = 100_000
ROOM = 256
ON_ITS_WAY = 3600
_log = logging.getLogger(__name__)


class Writer:
    """Takes turns and jobs, and returns results."""

    def __init__(self, services: Services, retention: Retention | None = None) -> None:
        self._services = services
        self._retention = retention
        self._graph = compile_without_checkpointer(build_remember_graph(services), "remember")
        self._left_over: list[Job] = services.ledger.jobs("pending")
        if services.images and services.ledger.erasure_is_unfinished():
            services.images.sweep(services.ledger.pictures())
        self._worker = Worker(self._process, at_once=services.group, room=ROOM)

    def add(self, scope: Scope, given: Given) -> AddResult:
        """Store turns and remember the facts in them, after earlier work of the user."""
        return self._write(scope, given, self._remember)

    def add_later(self, scope: Scope, given: Given) -> AddResult:
        """Store turns, and leave remembering to the background."""
        return self._write(scope, given, self._defer)

    def add_verbatim(self, scope: Scope, given: Given) -> AddResult:
        """Store turns, and each user turn as a memory word for word; pictures are not captioned."""
        return self._write(scope, given, self._copy)

    def flush(self, timeout: float | None) -> AddResult:
        """Wait for the background, and return the outcome of its work since the last flush.

        Jobs that another process has queued, and may not live to do, are done here too.
        """
        start = time.perf_counter()
        self._queue_left_over()
        self._worker.put(self._interrupted(), block=False)
        in_time = self._worker.settle(timeout=timeout)
        return _joined(self._worker.results(), start, pending=not in_time)

    def retry(self) -> AddResult:
        """Process all jobs of all users that failed or were interrupted."""
        start = time.perf_counter()
        self._left_over = []
        self._worker.settle()
        waiting = self._services.ledger.jobs("failed", "pending")
        self._services.ledger.reopen_jobs(job.id for job in waiting)
        results = []
        for scope, jobs in _by_scope(waiting).items():
            with self._services.ledger.processing(scope.user_id):
                if left := self._still_pending(jobs):
                    results.append(self._run({"scope": scope, "jobs": left}))
        return _joined(results, start)

    def reread(self, progress: Progress | None) -> Reread:
        """Read turns again, after earlier work; see `reread`."""
        self._queue_left_over()
        self._worker.settle()
        return reread(self._services, progress)

    @contextmanager
    def after_earlier(self, user_id: str) -> Iterator[None]:
        """Hold the user's place among all processes, once the earlier messages of this user have been read.

        Raises:
            StoreInUseError: Another process held it for too long.
        """
        self._settle(user_id)
        with self._services.ledger.processing(user_id):
            for scope, jobs in _runs(self._interrupted(user_id)):
                self._worker.keep(self._process_alone(scope, jobs))
            yield

    def _settle(self, user_id: str) -> None:
        """Wait for this process's background work that may change the user's memories."""
        self._queue_left_over()
        self._worker.settle(user_id)

    def erase(self, user_id: str | None) -> Erasure:
        """Erase a user, or every user, from everything that was written."""
        if user_id is not None:
            self._settle(user_id)
        shown = self._services.ledger.pictures()
        counts = self._services.ledger.erase(user_id)
        images = self._sweep(shown)
        self._services.index().finish_erasure()
        return Erasure(user_id=user_id, **counts, at=now(), images=images)

    def expire(self, limits: Retention) -> Erasure:
        """Erase what exceeds the limits, of every user, down to the bytes."""
        shown = self._services.ledger.pictures()
        counts = self._services.ledger.expire(limits)
        images = self._sweep(shown)
        if self._services.ledger.erasure_is_unfinished():
            self._services.index().finish_erasure()
        return Erasure(user_id=None, **counts, at=now(), images=images)

    def close(self) -> None:
        """Stop the background after the jobs in progress; the others are on disk for the next opening."""
        self._worker.close()

    def _write(self, scope: Scope, given: Given, store: Callable[[Scope, list[Turn]], AddResult]) -> AddResult:
        """Store turns one way or another, and complete the result with what was skipped or could not be taken."""
        start = time.perf_counter()
        turns, skipped, failures, omitted = given
        done = store(scope, turns)
        if done.skipped:  # pictures are on disk before the ledger knows which turns are new
            self._sweep([image for turn in turns for image in turn.images])
        if failures and done.status == "ok":
            done = replace(done, status="partial" if done.turn_ids or done.edited else "failed")
        errors, seconds = (*failures, *done.errors), time.perf_counter() - start
        return replace(done, errors=errors, skipped=(*skipped, *done.skipped), omitted=omitted, seconds=seconds)

    def _named(self, result: AddResult, recorded: Recorded) -> AddResult:
        """Complete a result with what became of each message, and remove the pictures that an edit has removed."""
        self._sweep(recorded.pictures)
        return replace(
            result,
            turn_ids=tuple(turn.id for turn in recorded.turns),
            edited=tuple(turn.id for turn in recorded.edited),
            skipped=tuple(recorded.skipped),
            reused=tuple(recorded.reused),
        )

    def _remember(self, scope: Scope, turns: Sequence[Turn]) -> AddResult:
        if not turns:
            self._settle(scope.user_id)
            return AddResult()
        with self.after_earlier(scope.user_id):
            return self._run({"scope": scope, "turns": turns})

    def _defer(self, scope: Scope, turns: Sequence[Turn]) -> AddResult:
        self._queue_left_over()
        if not turns:
            return AddResult()
        out = self._invoke({"scope": scope, "turns": turns, "defer": True})
        self._worker.put(out["jobs"])
        status: Literal["pending", "ok"] = "pending" if out["jobs"] else "ok"
        return self._named(AddResult(tuple(out["operations"]), status), out["recorded"])

    def _copy(self, scope: Scope, turns: Sequence[Turn]) -> AddResult:
        recorded = self._services.ledger.recording.record(scope, turns, derive=_verbatim) if turns else Recorded()
        self._expire(scope)
        self._services.index().catch_up()
        return self._named(AddResult(tuple(recorded.operations)), recorded)

    def _sweep(self, unneeded: Collection[str]) -> int:
        """Delete those of these pictures that no turn shows, and old ones without a turn; return their number.

        The turn of a new picture may just be on its way into the ledger, in another process.
        """
        images = self._services.images
        if images is None or not unneeded:
            return 0
        shown = self._services.ledger.pictures()
        return images.remove({*unneeded} - shown) + images.sweep(shown, older_than=ON_ITS_WAY)

    def _queue_left_over(self) -> None:
        """Queue the jobs that were pending when the memory was opened, once."""
        jobs, self._left_over = self._left_over, []
        self._worker.put(jobs, block=False)

    def _interrupted(self, user_id: str | None = None) -> list[Job]:
        """Return the jobs that no attempt was made at: of a process that ended, or has not come to them yet."""
        return [job for job in self._services.ledger.jobs("pending", user_id=user_id) if not job.attempts]

    def _still_pending(self, jobs: Sequence[Job]) -> list[Job]:
        """Return those of one user's jobs that no other process has finished. The user's place must be held."""
        pending = {job.id for job in self._services.ledger.jobs("pending", user_id=jobs[0].scope.user_id)}
        return [job for job in jobs if job.id in pending]

    def _process(self, scope: Scope, jobs: Sequence[Job]) -> AddResult:
        """Process jobs in the background, after the user's earlier ones, unless another process has done so."""
        start = time.perf_counter()
        results: list[AddResult] = []
        try:
            with self._services.ledger.processing(scope.user_id):
                if left := self._still_pending(jobs):
                    pending = self._interrupted(scope.user_id)
                    ids = [job.id for job in pending]
                    first = ids.index(left[0].id) if left[0].id in ids else 0
                    for owner, earlier in (*_runs(pending[:first]), (scope, left)):
                        results.append(self._process_alone(owner, earlier))
        except MemLoRAError as error:  # the place could not be had, so this was no attempt
            _log.warning("%d window(s) wait, pending: %s", len(jobs), loggable_error(error))
            failures = tuple(Failure(job.id, type(error).__name__, str(error), job.attempts) for job in jobs)
            return AddResult(status="failed", errors=failures, seconds=time.perf_counter() - start)
        return _joined(results, start)

    def _process_alone(self, scope: Scope, jobs: Sequence[Job]) -> AddResult:
        """Process jobs with the user's place held: errors stay on the jobs, for `flush`, `retry` and `doctor`."""
        start = time.perf_counter()
        try:
            return self._run({"scope": scope, "jobs": jobs})
        except Exception as error:
            _log.warning("%d window(s) are still unread: %s", len(jobs), loggable_error(error))
            why = f"{type(error).__name__}: {error}"
            name = self._services.experts.bundle.card.name
            try:
                for job in jobs:
                    self._services.ledger.fail_job(job.id, why, name, attempts_allowed=ATTEMPTS)
            except Exception as worse:
                _log.warning("They stay pending, because the ledger can't be written: %s", loggable_error(worse))
            failures = tuple(Failure(job.id, type(error).__name__, str(error), job.attempts + 1) for job in jobs)
            return AddResult(status="failed", errors=failures, seconds=time.perf_counter() - start)

    def _run(self, state: RememberInput) -> AddResult:
        start = time.perf_counter()
        out = self._invoke(state)
        self._expire(state["scope"])
        self._services.index().catch_up()
        result = AddResult(
            operations=tuple(out["operations"]),
            status=_status(out["finished"], bool(out["failures"])),
            errors=tuple(out["failures"]),
            unread=tuple(out["unread"]),
            usage=tuple(out["usage"]),
            seconds=time.perf_counter() - start,
        )
        return self._named(result, out["recorded"])

    def _expire(self, scope: Scope) -> None:
        if self._retention:
            self._services.ledger.expire(self._retention, scope)

    def _invoke(self, state: RememberInput) -> dict[str, Any]:
        return self._graph.invoke(state, {"recursion_limit": STEPS})


def _verbatim(turns: Sequence[Turn]) -> list[NewOperation]:
    return [
        NewOperation(
            Event.ADD,
            new_id(),
            turn.text.strip(),
            turn_id=turn.id,
            observed_at=turn.observed_at,
            by="add",
            metadata=turn.metadata,
        )
        for turn in turns
        if turn.role == "user" and turn.text.strip()
    ]


def _by_scope(jobs: Sequence[Job]) -> dict[Scope, list[Job]]:
    grouped: dict[Scope, list[Job]] = {}
    for job in jobs:
        grouped.setdefault(job.scope, []).append(job)
    return grouped


def _runs(jobs: Iterable[Job]) -> Iterator[tuple[Scope, list[Job]]]:
    """Yield the jobs in order, in runs of one scope."""
    for scope, run in groupby(jobs, lambda job: job.scope):
        yield scope, list(run)


def _joined(results: Sequence[AddResult], start: float, *, pending: bool = False) -> AddResult:
    errors = tuple(error for result in results for error in result.errors)
    return AddResult(
        operations=tuple(operation for result in results for operation in result.operations),
        status="pending" if pending else _status(sum(r.status != "failed" for r in results), bool(errors)),
        errors=errors,
        unread=tuple(turn_id for result in results for turn_id in result.unread),
        usage=tuple(usage for result in results for usage in result.usage),
        seconds=time.perf_counter() - start,
    )


def _status(finished: int, errors: bool) -> Literal["ok", "partial", "failed"]:
    if not errors:
        return "ok"
    return "partial" if finished else "failed"
