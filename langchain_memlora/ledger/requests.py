"""Requests of one process to the owner of an index, another process."""

from __future__ import annotations

import uuid

from sqlalchemy import delete, insert, select

from langchain_memlora.ledger.database import Database
from langchain_memlora.ledger.schema import meta

CLEAR, MOVE = "clear", "move"
"""To erase the bytes of the store; to move it to the default embedder."""


class Requests:
    """The requests in a ledger, by what is asked and the name of the index. Every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ask(self, what: str, index: str) -> str:
        """Ask for something to be done after earlier requests for it; return the request."""
        request = uuid.uuid4().hex
        with self._database.writing() as connection:
            connection.execute(delete(meta).where(meta.c.key == f"{what}:{index}"))
            connection.execute(insert(meta).values(key=f"{what}:{index}", value=request))
        return request

    def open(self, what: str, index: str) -> str | None:
        """Return the last request, until it was answered."""
        with self._database.reading() as connection:
            found: str | None = connection.execute(select(meta.c.value).where(meta.c.key == f"{what}:{index}")).scalar()
        return found

    def answer(self, what: str, index: str, request: str) -> None:
        """Close a request, and so all before it; one that was made meanwhile stays open."""
        with self._database.writing() as connection:
            connection.execute(delete(meta).where(meta.c.key == f"{what}:{index}", meta.c.value == request))
