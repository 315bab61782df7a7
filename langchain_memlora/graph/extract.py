"""The extract node: the extraction expert reads facts from the next group of windows, in one batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NotRequired, TypedDict

from langchain_memlora.experts import Extraction, Window, cut_windows
from langchain_memlora.experts.language import is_readable, language_of
from langchain_memlora.experts.windows import CONTEXT_CLIP
from langchain_memlora.graph.state import Answered, Node, PendingFact, Services, emit, timed
from langchain_memlora.ledger import Job, new_id
from langchain_memlora.types import Failure, Turn, Usage

ATTEMPTS = 2


class ExtractInput(TypedDict):
    """Keys that `extract` reads."""

    jobs: Sequence[Job]
    failures: list[Failure]
    unread: NotRequired[list[str]]
    usage: list[Usage]


class ExtractOutput(TypedDict):
    """Keys that `extract` writes."""

    jobs: list[Job]
    working: list[Job]
    facts: list[PendingFact]
    failures: list[Failure]
    unread: list[str]
    usage: list[Usage]
    answered: Answered
    conflicts: int


def make_extract(services: Services) -> Node[ExtractInput, ExtractOutput]:
    """Make the node."""

    def extract(state: ExtractInput) -> ExtractOutput:
        jobs = list(state["jobs"])
        working, rest = jobs[: services.group], jobs[services.group :]
        with timed() as clock:
            unread: list[str] = []
            windows = [(job, window) for job in working for window in windows_of(job, unread)]
            extractions, usage = services.experts.extract([window for _, window in windows])
            facts, failures, failed = _sort(windows, extractions)
            for job_id, failure in failed.items():
                services.ledger.fail_job(
                    job_id, failure.message, services.experts.bundle.card.name, attempts_allowed=ATTEMPTS
                )
        emit("extract", facts=[pending.fact for pending in facts], failures=failures, usage=clock(usage))
        return {
            "jobs": rest,
            "working": [job for job in working if job.id not in failed],
            "facts": facts,
            "failures": state["failures"] + failures,
            "unread": state.get("unread", []) + unread,
            "usage": [*state["usage"], clock(usage)],
            "answered": {},
            "conflicts": 0,
        }

    def windows_of(job: Job, unread: list[str]) -> list[Window]:
        turns = services.ledger.turns([*job.context, *job.turns])
        # Turns erased or withheld since the job was queued are skipped.
        new, before = (
            [replace(turns[k], text=turns[k].words) for k in keys if k in turns] for keys in (job.turns, job.context)
        )
        foreign = _foreign(new, before, services)
        unread += foreign
        return cut_windows(
            new,
            before,
            new_turns=len(new),
            context_turns=len(before),
            sources=services.sources,
            unread=foreign,
            whole_messages=services.experts.dialect.whole_messages,
        )

    return extract


def _foreign(new: Sequence[Turn], before: Sequence[Turn], services: Services) -> list[str]:
    """Return ids of the source turns in a language that is not on the card."""
    languages = services.experts.bundle.card.languages
    if not languages:
        return []
    # Of what came before, as much as the expert is shown: one long message must not decide about those after it.
    texts = [*(turn.text[-CONTEXT_CLIP:] for turn in before if turn.role in services.sources)]
    texts += [turn.text for turn in new if turn.role in services.sources]
    thread, _ = language_of(" ".join(texts))
    return [turn.id for turn in new if turn.role in services.sources and not is_readable(turn.text, languages, thread)]


def _sort(
    windows: Sequence[tuple[Job, Window]], extractions: Sequence[Extraction]
) -> tuple[list[PendingFact], list[Failure], dict[str, Failure]]:
    """Return the facts, all failures, and the failure of each job of which nothing could be parsed."""
    facts: list[PendingFact] = []
    failures: list[Failure] = []
    failed: dict[str, Failure] = {}
    for (job, window), extraction in zip(windows, extractions, strict=True):
        parsed = extraction.parsed
        rejected = [
            Failure(job.id, type(error).__name__, str(error), job.attempts + 1, extraction.raw)
            for error in parsed.rejected
        ]
        failures += rejected
        if rejected and not parsed.facts:
            failed[job.id] = rejected[0]
        metadata = {turn.id: turn.metadata for turn in window.turns}
        facts += [PendingFact(fact, job.id, new_id(), metadata[fact.turn_id]) for fact in parsed.facts]
    return [pending for pending in facts if pending.job_id not in failed], failures, failed
