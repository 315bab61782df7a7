"""What an index is: it finds ids by nearness. It is derived from the ledger and never asked what is true."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from langchain_memlora.types import Scope


class Kind(StrEnum):
    """What a vector stands for. A window is a turn together with the one before it, which says what "it" was."""

    MEMORY = "memory"
    TURN = "turn"
    WINDOW = "window"


@dataclass(frozen=True, slots=True)
class Entry:
    """One vector to be: its text and what it points to.

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
        """The entry's own id in the store."""
        return entry_id(self.kind, self.item_id)


def entry_id(kind: Kind, item_id: str) -> str:
    """The id an entry has in every store."""
    return f"{kind}-{item_id}"


class Index(ABC):
    """Two methods to implement; both may be repeated with the same arguments without harm."""

    @abstractmethod
    def write(self, entries: Sequence[Entry], removed: Sequence[str]) -> None:
        """Put entries (replacing those with the same id) and remove ids; ids that are not there are ignored."""

    @abstractmethod
    def nearest(self, query: str, user_id: str, kind: Kind, k: int) -> list[str]:
        """Item ids of this user's entries of one kind, nearest first, at most `k`."""

    def nearest_each(self, query: str, user_id: str, kinds: Sequence[Kind], k: int) -> list[list[str]]:
        """`nearest` for several kinds; for a store that can look once for all of them."""
        return [self.nearest(query, user_id, kind, k) for kind in kinds]

    @property
    def kind(self) -> str:
        """What sort of store this is. A ledger is served by one sort at a time, or each would lack what the other was given."""
        return type(self).__name__

    def held(self, ids: Sequence[str]) -> int:
        """How many of these entry ids the store holds.

        Raises:
            NotImplementedError: The store can't be asked for ids.
        """
        raise NotImplementedError

    def is_empty(self) -> bool:
        """Whether the store holds nothing at all; it is then filled from the ledger. `False` where that is not known."""
        return False

    def clear(self) -> bool:
        """Erase everything so that no byte is left; returns whether the store can do that. It is then filled again.

        Nobody else uses the index meanwhile. Where it can't be done, erased entries are removed by id.
        """
        return False

    def close(self) -> None:
        """Let go of the store."""
