"""The commit node: the only one that writes memories. Operations and the jobs they came from close in one transaction.

No lock is held during inference: the scope's revision is compared instead. If another writer changed the scope meanwhile,
the same facts go back to `match`, and the expert is asked only about memories that are new among their candidates. Every
conflict is another writer's success, so contention ends; losers retry with a shrinking backoff.
"""

from __future__ import annotations

import random
import time
from collections.abc import Collection, Mapping, Sequence
from typing import NotRequired, TypedDict

from langchain_memlora.errors import ConflictError
from langchain_memlora.experts import UpdateQuestion
from langchain_memlora.graph.split import Part, Splitter
from langchain_memlora.graph.state import Node, PendingFact, Services, emit, timed
from langchain_memlora.ledger import AlreadyDoneError, Closed, Job, NewOperation
from langchain_memlora.types import FORGET_PREFIX, Decision, Event, Failure, Operation, Scope, Usage

TRIES = 3
CONFLICTS = 100
PAUSE = 0.05


class CommitInput(TypedDict):
    """Keys that `commit` reads."""

    scope: Scope
    working: list[Job]
    facts: list[PendingFact]
    questions: NotRequired[list[UpdateQuestion]]
    decisions: list[Decision | None]
    parts: NotRequired[dict[int, Part]]
    forgotten: NotRequired[dict[int, Closed]]
    uncaptioned: NotRequired[dict[str, Failure]]
    undecided: NotRequired[list[Failure]]
    revision: int
    conflicts: int
    operations: list[Operation]
    failures: NotRequired[list[Failure]]
    unread: NotRequired[list[str]]
    again: NotRequired[bool]
    finished: int
    usage: list[Usage]


class CommitOutput(TypedDict, total=False):
    """Keys that `commit` writes. After a conflict these are only `conflicts` and what is left to commit."""

    working: list[Job]
    facts: list[PendingFact]
    conflicts: int
    operations: list[Operation]
    failures: list[Failure]
    finished: int
    usage: list[Usage]


def make_commit(services: Services) -> Node[CommitInput, CommitOutput]:
    """Make the node."""

    def commit(state: CommitInput) -> CommitOutput:
        working, facts = state["working"], state["facts"]
        undecided = {f.job_id for f, decision in zip(facts, state["decisions"], strict=True) if decision is None}
        uncaptioned = {job.id: failure for job in working if (failure := state.get("uncaptioned", {}).get(job.id))}
        done = [job.id for job in working if job.id not in undecided | uncaptioned.keys()]
        older = _older(state.get("questions", []), state["decisions"])
        name = services.experts.bundle.card.name
        with timed() as clock:
            try:
                operations = services.ledger.commit(
                    state["scope"],
                    _changes(
                        facts, state["decisions"], state.get("parts", {}), state.get("forgotten", {}), undecided, older
                    ),
                    expected=state["revision"],
                    done=[] if state.get("again") else done,
                    reread=[turn for job in working if job.id in done for turn in job.turns]
                    if state.get("again")
                    else [],
                    unread=state.get("unread", []),
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
            for job_id in undecided:
                services.ledger.fail_job(job_id, "the update could not be read", name, attempts_allowed=TRIES - 1)
            for job_id, failure in uncaptioned.items():
                services.ledger.fail_job(job_id, failure.message, name, attempts_allowed=1)
            services.index().catch_up()
        emit("commit", operations=operations, usage=clock(Usage("commit")))
        return {
            "operations": state["operations"] + operations,
            "failures": state.get("failures", []) + state.get("undecided", []),
            "finished": state["finished"] + len(done) + len(uncaptioned.keys() & {f.job_id for f in facts}),
            "usage": [*state["usage"], clock(Usage("commit"))],
            "conflicts": 0,
        }

    return commit


def _changes(
    facts: Sequence[PendingFact],
    decisions: Sequence[Decision | None],
    parts: Mapping[int, Part],
    forgotten: Mapping[int, Closed],
    undecided: set[str],
    older: Collection[int],
) -> list[NewOperation]:
    """Return decisions as ledger changes.

    A target that is an earlier fact of this group is replaced by the memory that fact became; a target that an earlier
    fact of this group deleted is dropped. A quotation of which only a part changes is split first.

    All facts of one message are true beside each other. So one message supersedes a memory at most once, what else it states
    about it is added, and what it asks to forget is only what was known before it.

    Args:
        older: Positions of facts that were observed before their target.
    """
    became: dict[str, str | None] = {}
    repeats: set[str] = set()
    deleted: set[str] = set()
    superseded: set[tuple[str, str]] = set()  # memory, and the turn that superseded it
    holds_text_of: dict[str, str] = {}  # memory: the turn that set its text
    splitter = Splitter()
    changes: list[NewOperation] = []

    def resolved(decision: Decision) -> str | None:
        return became.get(decision.target, decision.target) if decision.target else None

    def is_forgotten(position: int, target: str) -> bool:
        """Return whether the message of a fact also asks to forget what the fact would change or repeat."""
        clauses, turn_id = parts.get(position), facts[position].fact.turn_id
        for other, (pending, decision) in enumerate(zip(facts, decisions, strict=True)):
            if decision is None or decision.event is not Event.DELETE or other in older:
                continue
            if pending.fact.turn_id == turn_id and resolved(decision) == target:
                named = parts.get(other)
                if named is None or (clauses and {*clauses.indices} <= {*named.indices}):
                    return True
        return False

    for position, (pending, decision) in enumerate(zip(facts, decisions, strict=True)):
        fact = pending.fact
        if decision is None or pending.job_id in undecided:
            became[pending.new_id] = None
            continue
        part = None if position in older else parts.get(position)
        event, target = decision.event, resolved(decision)
        targets: list[str] = []
        if target and event is not Event.DELETE and is_forgotten(position, target):
            event, target = (Event.NONE, None) if event is Event.NONE else (Event.ADD, None)
        elif target and part and not (event is Event.DELETE and decision.target in repeats):
            split, targets = splitter.take(part, target, pending.job_id, forget=event is Event.DELETE)
            changes += split
        elif position in forgotten and position in older:
            event, target = Event.ADD, None  # it is deleted without what came after the request
        elif target:
            targets = splitter.whole(target) if event is Event.DELETE else [target]
        targets = [key for key in targets if key not in deleted]
        if event is Event.DELETE:
            kept = position in older
            targets = [key for key in targets if not kept and holds_text_of.get(key) != fact.turn_id]
            event = event if targets else Event.NONE
        elif event is Event.UPDATE:
            targets = [key for key in targets if (key, fact.turn_id) not in superseded]
            event = event if targets else Event.ADD
        elif target and not targets and not fact.retracts:
            event = Event.ADD  # what it repeated was deleted since
        keys: Sequence[str | None] = [pending.new_id] if event is Event.ADD else targets or [None]
        became[pending.new_id] = keys[0]
        if event is Event.NONE:
            repeats.add(pending.new_id)
        for key in targets if event in {Event.UPDATE, Event.DELETE} else ():
            if event is Event.DELETE:
                deleted.add(key)
            else:
                superseded.add((key, fact.turn_id))
            if position not in older:
                holds_text_of[key] = fact.turn_id
                splitter.holds(key, pending.new_id)
        changes += [_operation(event, key, pending, decision) for key in keys]
        if position in forgotten and event in {Event.ADD, Event.UPDATE}:
            deleted.update(key for key in keys if key)
            changes += [_deletion(key, pending, forgotten[position]) for key in keys]
    return changes


def _deletion(memory_id: str | None, pending: PendingFact, request: Closed) -> NewOperation:
    """Return the deletion of a fact that a request names which is known already."""
    return NewOperation(
        Event.DELETE,
        memory_id,
        fact=FORGET_PREFIX + request.text,
        turn_id=request.turn_id,
        observed_at=request.at,
        job_id=pending.job_id,
    )


def _older(questions: Sequence[UpdateQuestion], decisions: Sequence[Decision | None]) -> set[int]:
    """Return the positions of facts that were observed before the memory that they are decided to change or repeat."""
    return {
        position
        for position, (question, decision) in enumerate(zip(questions, decisions, strict=False))
        for memory in question.candidates
        if decision and memory.id == decision.target and memory.observed_at > question.fact.observed_at
    }


def _operation(event: Event, memory_id: str | None, pending: PendingFact, decision: Decision) -> NewOperation:
    fact = pending.fact
    return NewOperation(
        event,
        memory_id,
        text=fact.text if event in {Event.ADD, Event.UPDATE} else "",
        fact=FORGET_PREFIX + fact.text if fact.retracts else fact.text,
        turn_id=fact.turn_id,
        observed_at=fact.observed_at,
        probability=decision.probability,
        job_id=pending.job_id,
        metadata=pending.metadata,
        form=fact.form,
        said=fact.said,
    )
