"""extract: the extraction expert reads the facts out of the next group of windows, in one batch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from langchain_memlora.experts import Extraction, Window, cut_windows
from langchain_memlora.graph.state import Node, Read, RememberState, Services, emit, timed
from langchain_memlora.ledger import Job, new_id
from langchain_memlora.types import Failure

ATTEMPTS = 2


def make_extract(services: Services) -> Node:
    """Make the node."""

    def extract(state: RememberState) -> dict[str, Any]:
        jobs = list(state["jobs"])
        working, rest = jobs[: services.group], jobs[services.group :]
        with timed() as clock:
            windows = [(job, window) for job in working for window in _windows(job)]
            extractions, usage = services.experts.extract([window for _, window in windows])
            facts, failures, failed = _sort_out(windows, extractions)
            for job_id, failure in failed.items():
                services.ledger.fail_job(
                    job_id, failure.message, services.experts.bundle.card.name, attempts_allowed=ATTEMPTS
                )
        emit("extract", facts=[read.fact for read in facts], failures=failures, usage=clock(usage))
        return {
            "jobs": rest,
            "working": [job for job in working if job.id not in failed],
            "facts": facts,
            "failures": state["failures"] + failures,
            "usage": [*state["usage"], clock(usage)],
            "answered": {},
            "conflicts": 0,
        }

    def _windows(job: Job) -> list[Window]:
        turns = services.ledger.turns([*job.context, *job.turns])
        # A turn that was erased meanwhile is nobody's any more.
        new, before = (
            [replace(turns[k], text=turns[k].words) for k in keys if k in turns] for keys in (job.turns, job.context)
        )
        return cut_windows(new, before, new_turns=len(new), context_turns=len(before), sources=services.sources)

    return extract


def _sort_out(
    windows: list[tuple[Job, Window]], extractions: list[Extraction]
) -> tuple[list[Read], list[Failure], dict[str, Failure]]:
    """Facts; everything that went wrong; and the jobs of which nothing at all could be read."""
    facts: list[Read] = []
    failures: list[Failure] = []
    failed: dict[str, Failure] = {}
    for (job, window), extraction in zip(windows, extractions, strict=True):
        reading = extraction.reading
        wrong = [
            Failure(job.id, type(error).__name__, str(error), job.attempts + 1, extraction.raw)
            for error in reading.rejected
        ]
        failures += wrong
        if wrong and not reading.facts:
            failed[job.id] = wrong[0]
        metadata = {turn.id: turn.metadata for turn in window.turns}
        facts += [Read(fact, job.id, new_id(), metadata[fact.turn_id]) for fact in reading.facts]
    return [read for read in facts if read.job_id not in failed], failures, failed
