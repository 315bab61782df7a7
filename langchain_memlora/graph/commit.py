"""commit: the only node that writes memories. Operations and the jobs they came from close in one transaction.

No lock is held while models think: the scope's revision is compared instead. If somebody else changed the scope meanwhile,
the same facts go back to `match`, and the expert is asked only about memories that are new among their candidates. Every
conflict is another writer's success, so contention comes to an end; who lost goes first again after a shorter pause.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from typing import Any

from langchain_memlora.errors import ConflictError
from langchain_memlora.graph.state import Node, Read, RememberState, Services, emit, timed
from langchain_memlora.ledger import AlreadyDoneError, NewOperation
from langchain_memlora.types import Decision, Event, Usage

TRIES = 3
CONFLICTS = 100
PAUSE = 0.05


def make_commit(services: Services) -> Node:
    """Make the node."""

    def commit(state: RememberState) -> dict[str, Any]:
        working, facts = state["working"], state["facts"]
        unread = {f.job_id for f, decision in zip(facts, state["decisions"], strict=True) if decision is None}
        unseen = {job.id: failure for job in working if (failure := state.get("unseen", {}).get(job.id))}
        done = [job.id for job in working if job.id not in unread | unseen.keys()]
        name = services.experts.bundle.card.name
        with timed() as clock:
            try:
                operations = services.ledger.commit(
                    state["scope"],
                    _changes(facts, state["decisions"], unread),
                    expected=state["revision"],
                    done=done,
                    bundle=name,
                )
            except AlreadyDoneError as error:
                left = [job for job in working if job.id != error.job_id]
                return {"working": left, "facts": [f for f in facts if f.job_id != error.job_id], "conflicts": 1}
            except ConflictError:
                conflicts = state["conflicts"] + 1
                if conflicts >= CONFLICTS:
                    raise
                emit("commit", conflict=conflicts)
                time.sleep(random.uniform(0, PAUSE / conflicts))
                return {"conflicts": conflicts}
            for job_id in unread:
                services.ledger.fail_job(job_id, "the update could not be read", name, attempts_allowed=TRIES - 1)
            for job_id, failure in unseen.items():
                services.ledger.fail_job(job_id, failure.message, name, attempts_allowed=1)
            services.index().catch_up()
        emit("commit", operations=operations, usage=clock(Usage("commit")))
        return {
            "operations": state["operations"] + operations,
            "failures": state.get("failures", []) + state.get("undecided", []),
            "finished": state["finished"] + len(done) + len(unseen.keys() & {read.job_id for read in facts}),
            "usage": [*state["usage"], clock(Usage("commit"))],
            "conflicts": 0,
        }

    return commit


def _changes(facts: Sequence[Read], decisions: Sequence[Decision | None], unread: set[str]) -> list[NewOperation]:
    """Decisions as ledger changes.

    A target that is an earlier fact of this group stands for what became of that fact; one that an earlier fact of this
    group deleted is there no more.
    """
    became: dict[str, str | None] = {}
    deleted: set[str | None] = set()
    changes = []
    for read, decision in zip(facts, decisions, strict=True):
        if decision is None or read.job_id in unread:
            became[read.new_id] = None
            continue
        target = became.get(decision.target, decision.target) if decision.target else None
        target = None if target in deleted else target
        event = decision.event
        if event is not Event.ADD and target is None:
            event = Event.NONE if decision.target is None or decision.fact.retracts else Event.ADD
        memory_id = read.new_id if event is Event.ADD else target
        became[read.new_id] = memory_id
        if event is Event.DELETE:
            deleted.add(memory_id)
        changes.append(
            NewOperation(
                event,
                memory_id,
                text=read.fact.text if event in {Event.ADD, Event.UPDATE} else "",
                fact=f"forget: {read.fact.text}" if read.fact.retracts else read.fact.text,
                turn_id=read.fact.turn_id,
                observed_at=read.fact.observed_at,
                probability=decision.probability,
                job_id=read.job_id,
                metadata=read.metadata,
            )
        )
    return changes
