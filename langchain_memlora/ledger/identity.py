"""Identity of messages: which stored conversation the messages of a call belong to.

In a named thread an id is one message, and other words under it are an edit. Messages without a thread may be of several
conversations that number their messages alike, so there an id alone proves nothing. Other words are an edit there only if the
id can't have been given twice, or if the call repeats at least as many messages of the user as it changes. Otherwise they are
another conversation, which gets a thread id that no caller can pass, so that nothing is lost.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

from sqlalchemy import Connection, select

from langchain_memlora.ledger import lexical
from langchain_memlora.ledger.rows import chunks, references
from langchain_memlora.ledger.schema import turns
from langchain_memlora.types import Turn

UNNAMED = ""
"""The thread of messages that were added without one."""
_OTHERS = "\x1f"
"""Begins the names of further conversations without a thread; `add` takes no thread id with a control character."""
_DISTINCT_WORDS = 2
"""Words besides stop words by which a repeated message tells conversations apart; many begin with the same greeting."""
_UUID = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)
_LONG_RUN = re.compile(r"[0-9A-Za-z]{16,}")
_CHANGE = re.compile(r"(?<=[0-9])(?=[A-Za-z])|(?<=[A-Za-z])(?=[0-9])")
_CHANGES_IN_RANDOM = 4


def conversations(connection: Connection, owner: int, given: Sequence[Turn]) -> list[tuple[str, list[Turn]]]:
    """Return messages of one call by the thread that each is stored in, in order.

    Args:
        owner: The row id of their scope.
        given: Turns of one thread, in order.
    """
    thread = given[0].thread_id
    if thread != UNNAMED or all(is_unique(turn.message_id) for turn in given):
        return [(thread, list(given))]
    placed: list[tuple[str, list[Turn]]] = []
    taken: dict[str, list[Turn]] = {}
    for part in _parts(given):
        name = _place(connection, owner, part, taken)
        taken.setdefault(name, []).extend(part)
        placed.append((name, part))
    return placed


def is_same(row: Any, turn: Turn) -> bool:
    """Return whether a stored row and a message are the same message in full."""
    stored = (row.role, row.speaker, row.text, references(row.images))
    return bool(stored == (turn.role, turn.speaker, turn.text, turn.images))


def is_unique(message_id: str) -> bool:
    """Return whether an id can't have been given twice: it holds a UUID, or a long run of letters and digits at random."""
    if _UUID.search(message_id):
        return True
    return any(len(_CHANGE.findall(run)) >= _CHANGES_IN_RANDOM for run in _LONG_RUN.findall(message_id))


def known_rows(
    connection: Connection, owner: int, threads: Sequence[str], ids: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Return the stored rows with these message ids, by thread and id."""
    found: dict[str, dict[str, Any]] = {}
    for names in chunks(list(threads)):
        for part in chunks(list(dict.fromkeys(ids))):
            here = (turns.c.scope_id == owner) & turns.c.thread_id.in_(names) & turns.c.message_id.in_(part)
            for row in connection.execute(select(turns).where(here)):
                found.setdefault(row.thread_id, {})[row.message_id] = row
    return found


def unnamed_threads(connection: Connection, owner: int) -> list[str]:
    """Return the threads of all conversations that were added without one."""
    others = (turns.c.thread_id > "") & turns.c.thread_id.startswith(_OTHERS)
    query = select(turns.c.thread_id).where(turns.c.scope_id == owner, others).distinct()
    return [UNNAMED, *sorted(connection.execute(query).scalars(), key=lambda name: (len(name), name))]


def new_thread(threads: Sequence[str]) -> str:
    """Return a name for another conversation without a thread."""
    return next(name for number in count(2) if (name := f"{_OTHERS}{number}") not in threads)


def _parts(given: Sequence[Turn]) -> list[list[Turn]]:
    """Cut a call where an id comes again with other words: conversations that follow each other."""
    parts: list[list[Turn]] = [[]]
    seen: dict[str, tuple[Any, ...]] = {}
    for turn in given:
        words = (turn.role, turn.speaker, turn.text, turn.images)
        if seen.setdefault(turn.message_id, words) != words and not is_unique(turn.message_id):
            parts.append([])
            seen = {turn.message_id: words}
        parts[-1].append(turn)
    return parts


def _place(connection: Connection, owner: int, part: Sequence[Turn], taken: Mapping[str, Sequence[Turn]]) -> str:
    """Return the thread of a conversation without one: where its messages are known, else where its ids are free."""
    threads = list(dict.fromkeys([*unnamed_threads(connection, owner), *taken]))
    known = known_rows(connection, owner, threads, [turn.message_id for turn in part])
    ids = {turn.message_id for turn in part}
    busy = {name for name, turns_there in taken.items() if ids & {turn.message_id for turn in turns_there}}
    repeats = {
        name: sum(turn.message_id in rows and is_same(rows[turn.message_id], turn) for turn in part)
        for name, rows in known.items()
    }
    fitting = [name for name in threads if name in known and name not in busy and _fits(part, known[name])]
    if fitting:
        return max(fitting, key=lambda name: (repeats[name], threads.index(name)))
    free = [name for name in threads if name not in known and name not in busy]
    return free[-1] if free else new_thread(threads)


def _fits(part: Sequence[Turn], known: Mapping[str, Any]) -> bool:
    """Return whether messages may continue a stored conversation: what they change in it are edits."""
    there = [(turn, is_same(known[turn.message_id], turn)) for turn in part if turn.message_id in known]
    changed = [turn for turn, same in there if not same and not is_unique(turn.message_id)]
    if not changed:
        return True
    repeated = sum(same and turn.role == "user" and _is_distinct(turn.text) for turn, same in there)
    return repeated >= max(1, sum(turn.role == "user" for turn in changed))


def _is_distinct(text: str) -> bool:
    return sum(word not in lexical.STOP_WORDS for word in lexical.words(text)) >= _DISTINCT_WORDS
