"""Lookup of a memory by the first characters of its id."""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_memlora.errors import InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from langchain_memlora.memory.memory import MemLoRAMemory

SHORTEST = 4
LISTED = 10


def find_id(memory: MemLoRAMemory, prefix: str, user: str, *, deleted: bool = False) -> str:
    """Return the full id of a user's memory.

    Args:
        memory: The memory to search.
        prefix: The first characters of the id, at least four.
        user: The owner.
        deleted: Include deleted memories.

    Raises:
        InvalidInputError: The prefix is too short, or several ids begin with it.
        NotFoundError: No id begins with it.
    """
    if len(prefix) < SHORTEST:
        msg = f"{prefix!r} is too short for an id. Pass at least its first {SHORTEST} characters."
        raise InvalidInputError(msg)
    found = [m for m in memory.get_all(user_id=user, deleted=deleted) if m.id.startswith(prefix.casefold())]
    if not found:
        msg = f"{user!r} has no memory {prefix!r}. `memlora list` shows current memories, `memlora history` past ones."
        raise NotFoundError(msg)
    if len(found) > 1:
        listed = ", ".join(f"{m.id} ({m.text})" for m in found[:LISTED]) + (", ..." if len(found) > LISTED else "")
        msg = f"{prefix!r} matches {len(found)} ids: {listed}. Pass more characters of the one you mean."
        raise InvalidInputError(msg)
    return found[0].id
