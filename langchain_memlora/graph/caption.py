"""see: pictures become text. What was seen is written down beside what was said, and is read and searched like it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_memlora.errors import MemLoRAError
from langchain_memlora.graph.state import Node, RememberState, Services, emit, timed
from langchain_memlora.ledger import Job
from langchain_memlora.types import Failure, Turn, Usage


def make_see(services: Services) -> Node:
    """Make the node."""

    def see(state: RememberState) -> dict[str, Any]:
        unseen: dict[str, Failure] = {}
        captions: list[str] = []
        with timed() as clock:
            for job, turn in pictured(services, state["jobs"]):
                try:
                    found, _ = services.experts.see([services.images.get(image) for image in turn.images])
                except MemLoRAError as error:
                    unseen[job.id] = Failure(job.id, type(error).__name__, str(error), job.attempts + 1)
                else:
                    services.ledger.describe(turn.id, found)
                    captions += found
        usage = clock(Usage("see", calls=len(captions)))
        emit("see", captions=captions, failures=list(unseen.values()), usage=usage)
        return {"unseen": unseen, "failures": [*state["failures"], *unseen.values()], "usage": [*state["usage"], usage]}

    return see


def pictured(services: Services, jobs: Sequence[Job]) -> list[tuple[Job, Turn]]:
    """The turns of the next group of jobs whose pictures nobody has looked at."""
    group = jobs[: services.group]
    turns = services.ledger.turns([key for job in group for key in job.turns])
    mine = ((job, turns[key]) for job in group for key in job.turns if key in turns)
    return [
        (job, turn) for job, turn in mine if turn.role in services.sources and len(turn.captions) < len(turn.images)
    ]
