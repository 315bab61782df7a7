"""The caption node: describes pictures. Captions are stored beside the turn's text, and are read and searched with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from langchain_memlora.errors import MemLoRAError
from langchain_memlora.graph.state import Node, Services, emit, timed
from langchain_memlora.ledger import Job
from langchain_memlora.types import Failure, Turn, Usage


class CaptionInput(TypedDict):
    """Keys that `caption` reads."""

    jobs: Sequence[Job]
    failures: list[Failure]
    usage: list[Usage]


class CaptionOutput(TypedDict):
    """Keys that `caption` writes."""

    uncaptioned: dict[str, Failure]
    failures: list[Failure]
    usage: list[Usage]


def make_caption(services: Services) -> Node[CaptionInput, CaptionOutput]:
    """Make the node."""

    def caption(state: CaptionInput) -> CaptionOutput:
        failed: dict[str, Failure] = {}
        captions: list[str] = []
        with timed() as clock:
            for job, turn in uncaptioned_turns(services, state["jobs"]):
                try:
                    found, _ = services.experts.caption([services.picture(image) for image in turn.images])
                except MemLoRAError as error:
                    failed[job.id] = Failure(job.id, type(error).__name__, str(error), job.attempts + 1)
                else:
                    services.ledger.describe(turn.id, found)
                    captions += found
        usage = clock(Usage("caption", calls=len(captions)))
        emit("caption", captions=captions, failures=list(failed.values()), usage=usage)
        return {
            "uncaptioned": failed,
            "failures": [*state["failures"], *failed.values()],
            "usage": [*state["usage"], usage],
        }

    return caption


def uncaptioned_turns(services: Services, jobs: Sequence[Job]) -> list[tuple[Job, Turn]]:
    """Return the turns of the next group of jobs that have pictures without a caption."""
    group = jobs[: services.group]
    turns = services.ledger.turns([key for job in group for key in job.turns])
    found = ((job, turns[key]) for job in group for key in job.turns if key in turns)
    return [
        (job, turn) for job, turn in found if turn.role in services.sources and len(turn.captions) < len(turn.images)
    ]
