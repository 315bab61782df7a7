"""Reads stored turns again: those in a language that an earlier bundle did not know, and those behind unproven memories."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from typing import cast

from langchain_memlora.graph import Services, build_reread_graph, compile_without_checkpointer
from langchain_memlora.graph.commit import CONFLICTS
from langchain_memlora.graph.record import recent
from langchain_memlora.graph.state import RememberOutput
from langchain_memlora.ledger import Job
from langchain_memlora.types import Reread, Scope

STEPS = 10 * CONFLICTS
Progress = Callable[[int, int], None]


def reread(services: Services, progress: Progress | None = None) -> Reread:
    """Read again, a few turns at a time, what the ledger says is to be read.

    Each group is one transaction, so an interruption loses at most one group, which the next call reads.
    """
    start = time.perf_counter()
    reading = services.ledger.reading
    reading.mark_again()
    waiting = reading.waiting()
    total = sum(map(len, waiting.values()))
    graph = compile_without_checkpointer(build_reread_graph(services), "reread")
    outs: list[RememberOutput] = []
    turns = done = 0
    for scope, ids in waiting.items():
        for at in range(0, len(ids), services.group):
            part = ids[at : at + services.group]
            with services.ledger.processing(scope.user_id):
                if jobs := _jobs(services, scope, part):
                    out = graph.invoke({"scope": scope, "jobs": jobs, "again": True}, {"recursion_limit": STEPS})
                    outs.append(cast(RememberOutput, out))
            if jobs:
                unread = {*outs[-1]["unread"], *(job.turns[0] for job in jobs if _failed(job, outs[-1]))}
                turns += len(jobs) - len(unread)
            done += len(part)
            if progress:
                progress(done, total)
    services.index().catch_up()
    left = reading.counts()
    return Reread(
        turns=turns,
        operations=tuple(operation for out in outs for operation in out["operations"]),
        unread=left.language,
        unproven=left.unproven,
        kept=tuple(decision for out in outs for decision in out["kept"]),
        errors=tuple(failure for out in outs for failure in out["failures"]),
        usage=tuple(usage for out in outs for usage in out["usage"]),
        seconds=time.perf_counter() - start,
    )


def _jobs(services: Services, scope: Scope, ids: Sequence[str]) -> list[Job]:
    """Return a job for each turn, with the turns before it as context.

    Turns that were deleted or erased in the meantime, or read by another process, have none.
    """
    turns = services.ledger.turns(ids)
    count = services.experts.bundle.card.window.context_turns
    jobs = []
    for key in ids:
        if key in turns and turns[key].unread:
            context = recent(services.ledger.reading.before(key, count), turns[key])
            jobs.append(Job(uuid.uuid4().hex, scope, tuple(turn.id for turn in context), (key,)))
    return jobs


def _failed(job: Job, out: RememberOutput) -> bool:
    return any(failure.job_id == job.id for failure in out["failures"])
