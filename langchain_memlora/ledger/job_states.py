"""Changes of the state of jobs: done, failed, or open again. Only called inside a write transaction; done jobs stay done."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from sqlalchemy import ColumnElement, Connection, select, update

from langchain_memlora.errors import ConflictError
from langchain_memlora.ledger.schema import jobs


class AlreadyDoneError(ConflictError):
    """Another writer has already finished a job.

    Attributes:
        job_id: The job.
    """

    def __init__(self, message: str, job_id: str) -> None:
        super().__init__(message)
        self.job_id = job_id


def close(connection: Connection, ids: Iterable[str], bundle: str) -> None:
    """Close jobs.

    Raises:
        AlreadyDoneError: Another writer has finished one of them.
    """
    values = {"status": "done", "error": None, "bundle": bundle, "attempts": jobs.c.attempts + 1}
    for job_id in ids:
        if connection.execute(update(jobs).where(_is_open(job_id)).values(**values)).rowcount != 1:
            msg = f"Job {job_id} was already finished by another writer, which stored its memories. Do nothing."
            raise AlreadyDoneError(msg, job_id)


def fail(connection: Connection, job_id: str, error: str, bundle: str, attempts_allowed: int) -> None:
    """Count a failed attempt; after the last one allowed, the job is `failed`."""
    attempts = (connection.execute(select(jobs.c.attempts).where(jobs.c.id == job_id)).scalar() or 0) + 1
    status = "failed" if attempts >= attempts_allowed else "pending"
    values = {"attempts": attempts, "status": status, "error": error, "bundle": bundle}
    connection.execute(update(jobs).where(_is_open(job_id)).values(**values))


def reopen(connection: Connection, ids: Iterable[str]) -> None:
    """Make failed jobs pending again."""
    for job_id in ids:
        connection.execute(update(jobs).where(_is_open(job_id)).values(status="pending", attempts=0))


def renew(connection: Connection, owner: int, turn_id: str) -> list[str]:
    """Give the open jobs of a scope that show a turn another id, so that what was read of its old text can't be committed.

    Returns:
        The new ids; the jobs are pending again, in their old order.
    """
    renewed = []
    for row in connection.execute(select(jobs).where(jobs.c.scope_id == owner, jobs.c.status != "done")).all():
        if turn_id in (*row.context, *row.turns):
            renewed.append(uuid.uuid4().hex)
            values = {"id": renewed[-1], "status": "pending", "attempts": 0, "error": None}
            connection.execute(update(jobs).where(jobs.c.seq == row.seq).values(**values))
    return renewed


def _is_open(job_id: str) -> ColumnElement[bool]:
    return (jobs.c.id == job_id) & (jobs.c.status != "done")
