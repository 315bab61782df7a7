"""The interface of an index: it finds ids by similarity. It is derived from the ledger and never the source of truth."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from langchain_memlora.types import Scope


class Kind(StrEnum):
    """The kind of item that a vector represents. A window is a turn with the one before it, which says what "it" was."""

    MEMORY = "memory"
    TURN = "turn"
    WINDOW = "window"


@dataclass(frozen=True, slots=True)
class Entry:
    """An item to embed: its text and the id it points to.

    Attributes:
        item_id: Id of the memory or turn in the ledger.
    """

    kind: Kind
    item_id: str
    text: str
    scope: Scope
    observed_at: datetime

    @property
    def id(self) -> str:
        """The id of the entry in the store."""
        return entry_id(self.kind, self.item_id)


def entry_id(kind: Kind, item_id: str) -> str:
    """Return the id of an entry, the same in every store."""
    return f"{kind}-{item_id}"


class Index(ABC):
    """A store of vectors. Implement `write` and `nearest`, both idempotent; the other methods have defaults."""

    @abstractmethod
    def write(self, entries: Sequence[Entry], removed: Sequence[str]) -> None:
        """Add entries, replacing those with the same id, and remove ids; unknown ids are ignored."""

    @abstractmethod
    def nearest(self, query: str, user_id: str, kind: Kind, k: int) -> list[str]:
        """Return the item ids of this user's entries of one kind, nearest first, at most `k`."""

    def nearest_each(self, query: str, user_id: str, kinds: Sequence[Kind], k: int) -> list[list[str]]:
        """Return `nearest` for several kinds; override it in a store that can search for all of them at once."""
        return [self.nearest(query, user_id, kind, k) for kind in kinds]

    @property
    def store_type(self) -> str:
        """The type of store. A ledger uses one type at a time, since two stores would each lack the other's vectors."""
        return type(self).__name__

    def held(self, ids: Sequence[str]) -> int:
        """Return the number of these entry ids that the store holds.

        Raises:
            NotImplementedError: The store can't look up ids.
        """
        raise NotImplementedError

    def is_empty(self) -> bool:
        """Return whether the store is empty, to be filled from the ledger; `False` if that is not known."""
        return False

    def clear(self) -> bool:
        """Erase everything, bytes included; return whether the store can do that. It is refilled afterwards.

        No other thread uses the index during the call. If it is not possible, erased entries are removed by id.
        """
        return False

    def close(self) -> None:
        """Release the store."""
