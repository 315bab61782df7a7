"""Finds the memory that a typed beginning of an id means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_memlora.errors import InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from langchain_memlora.memory.memory import MemLoRAMemory

SHORTEST = 4
LISTED = 10


def find_id(memory: MemLoRAMemory, prefix: str, user: str, *, deleted: bool = False) -> str:
    """The whole id of this user's memory.

    Args:
        memory: Where to look.
        prefix: The id's beginning, at least four characters.
        user: Whose it must be.
        deleted: Look among deleted memories too.

    Raises:
        InvalidInputError: Too short, or several ids begin like this.
        NotFoundError: None does.
    """
    if len(prefix) < SHORTEST:
        msg = f"{prefix!r} is too short for an id. Type at least its first {SHORTEST} characters."
        raise InvalidInputError(msg)
    found = [m for m in memory.get_all(user_id=user, deleted=deleted) if m.id.startswith(prefix.casefold())]
    if not found:
        msg = f"{user!r} has no memory {prefix!r}. `memlora list` shows what is there, `memlora history` what was."
        raise NotFoundError(msg)
    if len(found) > 1:
        listed = ", ".join(f"{m.id} ({m.text})" for m in found[:LISTED]) + (", ..." if len(found) > LISTED else "")
        msg = f"{prefix!r} begins {len(found)} ids: {listed}. Type more of the one you mean."
        raise InvalidInputError(msg)
    return found[0].id
