"""Runs the remember graph on what was said or left undone, and says what came of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Any

from langchain_memlora.errors import ConflictError, EngineError
from langchain_memlora.graph import Services, build_remember_graph, compile_quietly
from langchain_memlora.ledger import Change, Job, new_id
from langchain_memlora.types import AddResult, Event, Scope, Turn

STEPS = 100_000
_log = logging.getLogger(__name__)


class Remembering:
    """The writing side of a memory: turns and jobs in, results out."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._graph = compile_quietly(build_remember_graph(services), "remember")
        self._left_over: list[Job] = services.ledger.jobs("pending")

    def add(self, scope: Scope, turns: Sequence[Turn], skipped: int) -> AddResult:
        """Store turns and remember what they tell, after what an earlier process left undone."""
        start = time.perf_counter()
        self._finish_left_over()
        if not turns:
            return AddResult(skipped=skipped, seconds=time.perf_counter() - start)
        return self._run({"scope": scope, "turns": turns}, skipped + len(turns), start)

    def add_verbatim(self, scope: Scope, turns: Sequence[Turn], skipped: int) -> AddResult:
        """Store turns, and each user turn as a memory word for word."""
        start = time.perf_counter()
        if images := [image for turn in turns for image in turn.images]:
            self._services.experts.see(images)
        ledger = self._services.ledger
        stored = ledger.append(scope, turns, lambda new, before: [])[0] if turns else []
        operations = ledger.commit(scope, _verbatim(stored))
        self._services.index().catch_up()
        return AddResult(
            operations=tuple(operations),
            turn_ids=tuple(turn.id for turn in stored),
            skipped=skipped + len(turns) - len(stored),
            seconds=time.perf_counter() - start,
        )

    def retry(self) -> AddResult:
        """Work off everything that failed or was not finished, of all users."""
        start = time.perf_counter()
        waiting = self._services.ledger.jobs("failed", "pending")
        self._services.ledger.reopen_jobs(job.id for job in waiting)
        self._left_over = []
        results = [self._run({"scope": s, "jobs": j}, 0, start) for s, j in _by_scope(waiting).items()]
        return AddResult(
            operations=tuple(op for result in results for op in result.operations),
            status=_status(sum(r.status != "failed" for r in results), any(r.errors for r in results)),
            errors=tuple(error for result in results for error in result.errors),
            usage=tuple(usage for result in results for usage in result.usage),
            seconds=time.perf_counter() - start,
        )

    def _run(self, state: dict[str, Any], given: int, start: float) -> AddResult:
        out = self._graph.invoke(state, {"recursion_limit": STEPS})
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

    def _finish_left_over(self) -> None:
        """Work off jobs that an earlier process left behind, once. Failing at that must not keep new messages out."""
        waiting, self._left_over = self._left_over, []
        for scope, jobs in _by_scope(waiting).items():
            try:
                self._run({"scope": scope, "jobs": jobs}, 0, time.perf_counter())
            except (EngineError, ConflictError) as error:
                self._left_over += jobs
                _log.warning("%d window(s) of an earlier run are still unread: %s", len(jobs), error)


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


def _status(finished: int, errors: bool) -> Any:
    if not errors:
        return "ok"
    return "partial" if finished else "failed"
