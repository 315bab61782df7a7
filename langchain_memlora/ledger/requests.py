"""Requests of one process to the owner of an index, another process: to erase the bytes of its store."""

from __future__ import annotations

import uuid

from sqlalchemy import delete, insert, select

from langchain_memlora.ledger.database import Database
from langchain_memlora.ledger.schema import meta

_CLEAR = "clear"


class Requests:
    """The requests in a ledger, by the name of the index. Every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ask(self, index: str) -> str:
        """Ask for the store to be emptied and filled again, after earlier requests; return the request."""
        request = uuid.uuid4().hex
        with self._database.writing() as connection:
            connection.execute(delete(meta).where(meta.c.key == f"{_CLEAR}:{index}"))
            connection.execute(insert(meta).values(key=f"{_CLEAR}:{index}", value=request))
        return request

    def open(self, index: str) -> str | None:
        """Return the last request, until it was answered."""
        with self._database.reading() as connection:
            found: str | None = connection.execute(
                select(meta.c.value).where(meta.c.key == f"{_CLEAR}:{index}")
            ).scalar()
        return found

    def answer(self, index: str, request: str) -> None:
        """Close a request, and so all before it; one that was made meanwhile stays open."""
        with self._database.writing() as connection:
            connection.execute(delete(meta).where(meta.c.key == f"{_CLEAR}:{index}", meta.c.value == request))
