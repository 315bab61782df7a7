"""Numbered fault points: before and after every write, in the order a process passes them.

They are installed from outside, by SQLAlchemy's events and around the index's methods, at no cost to the package.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from sqlalchemy import event

from langchain_memlora.indexes import chroma
from langchain_memlora.indexes.chroma import ChromaIndex
from langchain_memlora.ledger import Ledger
from langchain_memlora.ledger.sqlite import SQLiteDatabase

Passing = Callable[[str], None]
READS = ("SELECT", "PRAGMA", "BEGIN")


def install(passing: Passing) -> None:
    """Call `passing` with a name at each fault point of this process from now on. It can't be undone: fork first."""
    made = SQLiteDatabase.__init__

    @functools.wraps(made)
    def watched(self: SQLiteDatabase, *args: Any, **options: Any) -> None:
        made(self, *args, **options)
        event.listen(self.engine, "before_cursor_execute", lambda *a: _statement(passing, "before", a[2]))
        event.listen(self.engine, "after_cursor_execute", lambda *a: _statement(passing, "after", a[2]))
        event.listen(self.engine, "commit", lambda _: passing("before commit"))

    SQLiteDatabase.__init__ = watched  # type: ignore[method-assign]
    SQLiteDatabase.writing = _after_commit(SQLiteDatabase.writing, passing)  # type: ignore[method-assign]
    for owner, name in ((ChromaIndex, "write"), (ChromaIndex, "clear"), (Ledger, "finish_erasure")):
        setattr(owner, name, _around(getattr(owner, name), name, passing))
    chroma.wipe_unused_bytes = _around(chroma.wipe_unused_bytes, "wipe_remains", passing)


def _statement(passing: Passing, when: str, statement: str) -> None:
    word = statement.split(None, 1)[0].upper()
    if word not in READS:
        passing(f"{when} {word}")


def _around(call: Callable[..., Any], name: str, passing: Passing) -> Callable[..., Any]:
    @functools.wraps(call)
    def surrounded(*args: Any, **options: Any) -> Any:
        passing(f"before {name}")
        result = call(*args, **options)
        passing(f"after {name}")
        return result

    return surrounded


def _after_commit(writing: Callable[..., Any], passing: Passing) -> Callable[..., Any]:
    from contextlib import contextmanager

    @contextmanager
    def watched(self: SQLiteDatabase) -> Any:
        with writing(self) as connection:
            yield connection
        passing("after commit")

    return watched
