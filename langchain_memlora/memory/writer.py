"""Runs the remember graph on what was said or left undone, and says what came of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from langchain_memlora.graph import Services, build_remember_graph, compile_without_checkpointer
from langchain_memlora.graph.extract import ATTEMPTS
from langchain_memlora.intake.messages import Given
from langchain_memlora.ledger import Change, Job, Retention, new_id, now
from langchain_memlora.logs import reason
from langchain_memlora.memory.worker import Background
from langchain_memlora.types import AddResult, Erasure, Event, Failure, Scope, Turn

STEPS = 100_000
ROOM = 256
_log = logging.getLogger(__name__)


class Remembering:
    """The writing side of a memory: turns and jobs in, results out."""

    def __init__(self, services: Services, retention: Retention | None = None) -> None:
        self._services = services
        self._retention = retention
        self._graph = compile_without_checkpointer(build_remember_graph(services), "remember")
        self._left_over: list[Job] = services.ledger.jobs("pending")
        if services.ledger.erasure_is_unfinished():
            self._sweep()
        self._background = Background(self._work_off, at_once=services.group, room=ROOM)

    def add(self, scope: Scope, given: Given) -> AddResult:
        """Store turns and remember what they tell, after what was said before them."""
        start = time.perf_counter()
        self.settle(scope.user_id)
        turns, skipped, failures = given
        if not turns:
            status = "failed" if failures else "ok"
            return AddResult(
                status=status, errors=tuple(failures), skipped=skipped, seconds=time.perf_counter() - start
            )
        done = self._run({"scope": scope, "turns": turns}, skipped + len(turns), start)
        self._drop_unheld(turns, done)
        return _with(done, failures)

    def add_later(self, scope: Scope, given: Given) -> AddResult:
        """Store turns, and leave what they tell to the background."""
        turns, skipped, failures = given
        start = time.perf_counter()
        self._queue_left_over()
        out = self._invoke({"scope": scope, "turns": turns, "defer": True}) if turns else {"stored": [], "jobs": []}
        self._background.put(out["jobs"])
        done = AddResult(
            status="pending" if out["jobs"] else "ok",
            turn_ids=tuple(turn.id for turn in out["stored"]),
            skipped=skipped + len(turns) - len(out["stored"]),
            seconds=time.perf_counter() - start,
        )
        self._drop_unheld(turns, done)
        return _with(done, failures)

    def add_verbatim(self, scope: Scope, given: Given) -> AddResult:
        """Store turns, and each user turn as a memory word for word; nobody looks at their pictures."""
        start = time.perf_counter()
        turns, skipped, failures = given
        stored, operations = self._services.ledger.append_verbatim(scope, turns, _verbatim) if turns else ([], [])
        self._expire(scope)
        self._services.index().catch_up()
        done = AddResult(
            operations=tuple(operations),
            turn_ids=tuple(turn.id for turn in stored),
            skipped=skipped + len(turns) - len(stored),
            seconds=time.perf_counter() - start,
        )
        self._drop_unheld(turns, done)
        return _with(done, failures)

    def flush(self, timeout: float | None) -> AddResult:
        """Wait for the background; the outcome of its work since the last flush."""
        start = time.perf_counter()
        self._queue_left_over()
        in_time = self._background.settle(timeout=timeout)
        return _joined(self._background.results(), start, pending=not in_time)

    def retry(self) -> AddResult:
        """Work off everything that failed or was not finished, of all users."""
        start = time.perf_counter()
        self._left_over = []
        self._background.settle()
        waiting = self._services.ledger.jobs("failed", "pending")
        self._services.ledger.reopen_jobs(job.id for job in waiting)
        return _joined([self._run({"scope": s, "jobs": j}, 0, start) for s, j in _by_scope(waiting).items()], start)

    def settle(self, user_id: str) -> None:
        """Wait for what is to be done before this user's memories are looked at again."""
        left_over = self._queue_left_over()
        self._background.settle(None if left_over else user_id)

    def erase(self, user_id: str | None) -> Erasure:
        """Erase a user, or everybody, from everything that was written."""
        if user_id is not None:
            self.settle(user_id)
        counts = self._services.ledger.erase(user_id)
        images = self._sweep()
        self._services.index().finish_erasure()
        return Erasure(user_id=user_id, **counts, at=now(), images=images)

    def expire(self, limits: Retention) -> Erasure:
        """Erase what is beyond limits, of everybody, down to the bytes."""
        counts = self._services.ledger.expire(limits)
        images = self._sweep()
        if self._services.ledger.erasure_is_unfinished():
            self._services.index().finish_erasure()
        return Erasure(user_id=None, **counts, at=now(), images=images)

    def close(self) -> None:
        """Stop the background after the few jobs in hand; the others are on disk for the next opening."""
        self._background.close()

    def _sweep(self) -> int:
        """Delete the pictures that nobody's turns show."""
        images = self._services.images
        return images.sweep(self._services.ledger.pictures()) if images else 0

    def _drop_unheld(self, turns: Sequence[Turn], done: AddResult) -> None:
        """Delete pictures of messages that were known before and so were not stored again."""
        if len(done.turn_ids) < len(turns) and any(turn.images for turn in turns):
            self._sweep()

    def _queue_left_over(self) -> bool:
        """Hand the background what an earlier process left behind, once; returns whether there was anything."""
        jobs, self._left_over = self._left_over, []
        self._background.put(jobs, block=False)
        return bool(jobs)

    def _work_off(self, scope: Scope, jobs: Sequence[Job]) -> AddResult:
        """Do jobs that nobody waits for: what goes wrong stays on them, for `flush`, `retry` and `doctor`."""
        start = time.perf_counter()
        try:
            return self._run({"scope": scope, "jobs": jobs}, 0, start)
        except Exception as error:
            _log.warning("%d window(s) are still unread: %s", len(jobs), reason(error))
            why = f"{type(error).__name__}: {error}"
            name = self._services.experts.bundle.card.name
            try:
                for job in jobs:
                    self._services.ledger.fail_job(job.id, why, name, attempts_allowed=ATTEMPTS)
            except Exception as worse:
                _log.warning("They stay pending, for the ledger can't be written: %s", reason(worse))
            failures = tuple(Failure(job.id, type(error).__name__, str(error), job.attempts + 1) for job in jobs)
            return AddResult(status="failed", errors=failures, seconds=time.perf_counter() - start)

    def _run(self, state: dict[str, Any], given: int, start: float) -> AddResult:
        out = self._invoke(state)
        self._expire(state["scope"])
        self._services.index().catch_up()
        return AddResult(
            operations=tuple(out["operations"]),
            status=_status(out["finished"], bool(out["failures"])),
            errors=tuple(out["failures"]),
            turn_ids=tuple(turn.id for turn in out["stored"]),
            skipped=max(0, given - len(out["stored"])),
            usage=tuple(out["usage"]),
            seconds=time.perf_counter() - start,
        )

    def _expire(self, scope: Scope) -> None:
        if self._retention:
            self._services.ledger.expire(self._retention, scope)

    def _invoke(self, state: dict[str, Any]) -> dict[str, Any]:
        return self._graph.invoke(state, {"recursion_limit": STEPS})


def _with(done: AddResult, failures: Sequence[Failure]) -> AddResult:
    """A result together with the images that could not be taken."""
    if not failures:
        return done
    return replace(done, errors=(*failures, *done.errors), status="partial" if done.status == "ok" else done.status)


def _verbatim(turns: Sequence[Turn]) -> list[Change]:
    return [
        Change(
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


def _joined(results: Sequence[AddResult], start: float, *, pending: bool = False) -> AddResult:
    errors = tuple(error for result in results for error in result.errors)
    return AddResult(
        operations=tuple(operation for result in results for operation in result.operations),
        status="pending" if pending else _status(sum(r.status != "failed" for r in results), bool(errors)),
        errors=errors,
        usage=tuple(usage for result in results for usage in result.usage),
        seconds=time.perf_counter() - start,
    )


def _status(finished: int, errors: bool) -> Any:
    if not errors:
        return "ok"
    return "partial" if finished else "failed"
