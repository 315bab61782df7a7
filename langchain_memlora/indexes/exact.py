"""Exact nearest-neighbour search among one user's vectors, read from the ledger's cache and kept in RAM.

The ledger caches the vector of every text, and numbers every change. So any process can hold a user's vectors, bring them up to
date before each search with what any other process wrote, and compare a question with exactly the entries that a scope and a
filter allow: 30,000 vectors of 384 numbers take 46 MB and a few milliseconds.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np

from langchain_memlora.indexes.base import Entry, Kind, entry_id
from langchain_memlora.indexes.embeddings import CachedEmbeddings
from langchain_memlora.indexes.entries import changed_entries, entries_of_user
from langchain_memlora.ledger import Ledger

MEGABYTES = 512
CHANGES = 10_000  # if more were missed, reading a user's entries again is faster than applying them
_BATCH = 1_000

Among = Mapping[Kind, Collection[str]]
"""The item ids that a search may return, by kind."""


class LedgerVectors:
    """Searches a user's vectors exactly; current with the ledger at every call, and safe to call from any thread.

    Args:
        megabytes: The vectors of the users searched last are kept up to this size, and always those of the last one.

    Example:
        ```python
        from langchain_core.embeddings import DeterministicFakeEmbedding
        from langchain_memlora.indexes.base import Kind
        from langchain_memlora.indexes.embeddings import CachedEmbeddings
        from langchain_memlora.indexes.exact import LedgerVectors
        from langchain_memlora.ledger import Ledger

        with Ledger("/tmp/memlora-exact/ledger.sqlite3") as ledger:
            embeddings = CachedEmbeddings(lambda: DeterministicFakeEmbedding(size=8), "fake", ledger)
            print(LedgerVectors(ledger, embeddings).nearest_each("tea", "ana", [Kind.MEMORY], 5))
        ```
    """

    def __init__(self, ledger: Ledger, embeddings: CachedEmbeddings, *, megabytes: int = MEGABYTES) -> None:
        self._ledger = ledger
        self._embeddings = embeddings
        self._bytes = megabytes * 1_000_000
        self._users: OrderedDict[str, dict[Kind, _Vectors]] = OrderedDict()  # the last one searched is the last
        self._seq = 0
        self._lock = threading.Lock()

    def nearest_each(
        self,
        query: str,
        user_id: str,
        kinds: Sequence[Kind],
        k: int,
        *,
        among: Among | None = None,
        compute: int | None = None,
    ) -> list[list[str]] | None:
        """Return the item ids of each kind, nearest first, at most `k`.

        Args:
            among: The items to search; without it, all of the user's.
            compute: The number of vectors that may be computed because the ledger does not have them, as with a store that
                embeds by itself; without it, any number.

        Returns:
            `None` if more than `compute` vectors are missing.
        """
        embedder, vector = self._embeddings.name, self._embeddings.embed_query(query)
        with self._lock:
            if embedder != self._embeddings.name:
                vector = self._embeddings.embed_query(query)
            mine = self._of_user(user_id)
            rows = {kind: mine[kind].rows(None if among is None else among.get(kind, ())) for kind in kinds}
            ready = self._fill([(mine[kind], rows[kind]) for kind in kinds], compute)
            point = np.asarray(vector, dtype=np.float32)
            return [mine[kind].nearest(point, rows[kind], k) for kind in kinds] if ready else None

    def forget(self) -> None:
        """Drop all vectors; the next search reads those that it needs again."""
        with self._lock:
            self._users.clear()

    def replace_embedder(self, other: CachedEmbeddings) -> None:
        """Use another embedder, and its vectors, from the next search on."""
        with self._lock:
            self._embeddings.replace(other)
            self._users.clear()

    def _of_user(self, user_id: str) -> dict[Kind, _Vectors]:
        self._refresh()
        if user_id not in self._users:
            mine = {kind: _Vectors() for kind in Kind}
            _put(mine, entries_of_user(self._ledger, user_id))
            self._users[user_id] = mine
        self._users.move_to_end(user_id)
        while len(self._users) > 1 and sum(map(_size, self._users.values())) > self._bytes:
            self._users.popitem(last=False)
        return self._users[user_id]

    def _refresh(self) -> None:
        """Apply what was written since the last search, by any process, to the users in RAM."""
        last = self._ledger.last_change()
        if not self._users or last - self._seq > CHANGES:
            self._users.clear()
            self._seq = last
        while self._seq < last:
            changed, seq = self._ledger.changes_after(self._seq)
            entries, removed = changed_entries(self._ledger, changed)
            for user_id, mine in self._users.items():
                _remove(mine, removed)
                _put(mine, [entry for entry in entries if entry.scope.user_id == user_id])
            self._seq = seq

    def _fill(self, parts: Iterable[tuple[_Vectors, np.ndarray]], compute: int | None) -> bool:
        """Read or compute the vectors of rows that have none yet; return whether all have one."""
        wanted = [(vectors, row, vectors.unread[row]) for vectors, rows in parts for row in vectors.without(rows)]
        known = self._ledger.cached_bytes(self._embeddings.name, [text for _, _, text in wanted])
        missing = list(dict.fromkeys(text for _, _, text in wanted if text not in known))
        if compute is not None and len(missing) > compute:
            return False
        fresh: dict[str, list[float]] = {}
        for start in range(0, len(missing), _BATCH):
            part = missing[start : start + _BATCH]
            fresh |= zip(part, self._embeddings.embed_documents(part), strict=True)
        for vectors, row, text in wanted:
            vectors.set(row, np.frombuffer(known[text], np.float32) if text in known else np.asarray(fresh[text]))
        return True


class _Vectors:
    """The unit vectors of one user's entries of one kind, in the order of the ledger."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.unread: dict[int, str] = {}  # the texts of rows whose vectors have not been read yet
        self._places: dict[str, int] = {}
        self._matrix = np.empty((0, 0), np.float32)

    @property
    def size(self) -> int:
        return self._matrix.nbytes + sum(map(len, self.unread.values()))

    def put(self, item_id: str, text: str) -> None:
        """Add an item, or give it another text."""
        row = self._places.setdefault(item_id, len(self.ids))
        if row == len(self.ids):
            self.ids.append(item_id)
        self.unread[row] = text

    def remove(self, gone: Collection[str]) -> None:
        """Remove items; the others keep their order."""
        places = {self._places[item] for item in gone if item in self._places}
        if not places:
            return
        kept = [row for row in range(len(self.ids)) if row not in places]
        moved = {row: place for place, row in enumerate(kept)}
        self.unread = {moved[row]: text for row, text in self.unread.items() if row in moved}
        self._matrix = self._matrix[[row for row in kept if row < len(self._matrix)]]
        self.ids = [self.ids[row] for row in kept]
        self._places = {item: row for row, item in enumerate(self.ids)}

    def rows(self, items: Collection[str] | None) -> np.ndarray:
        """Return the rows of items in order, without those that are not here; or all rows."""
        if items is None:
            return np.arange(len(self.ids))
        return np.array(sorted(self._places[item] for item in items if item in self._places), dtype=int)

    def without(self, rows: np.ndarray) -> list[int]:
        """Return those of some rows that have no vector yet."""
        return [row for row in rows.tolist() if row in self.unread] if self.unread else []

    def set(self, row: int, vector: np.ndarray) -> None:
        """Give a row its vector."""
        if len(self._matrix) <= row:
            grown = np.zeros((max(len(self.ids), len(self._matrix) * 5 // 4), len(vector)), np.float32)
            if len(self._matrix):
                grown[: len(self._matrix)] = self._matrix
            self._matrix = grown
        self._matrix[row] = vector / max(float(np.linalg.norm(vector)), 1e-12)
        del self.unread[row]

    def nearest(self, vector: np.ndarray, rows: np.ndarray, k: int) -> list[str]:
        """Return the ids of the `k` rows nearest to a vector; equally near ones in the order of the ledger."""
        if not len(rows):
            return []
        most = len(rows) * 2 > len(self._matrix)  # then selecting rows costs more than comparing with all of them
        similarity = (self._matrix @ vector)[rows] if most else self._matrix[rows] @ vector
        return [self.ids[rows[place]] for place in np.argsort(-similarity, kind="stable")[:k]]


def _put(mine: Mapping[Kind, _Vectors], entries: Iterable[Entry]) -> None:
    for entry in entries:
        mine[entry.kind].put(entry.item_id, entry.text)


def _remove(mine: Mapping[Kind, _Vectors], removed: Sequence[str]) -> None:
    for kind, vectors in mine.items():
        start = entry_id(kind, "")
        vectors.remove([key.removeprefix(start) for key in removed if key.startswith(start)])


def _size(mine: Mapping[Kind, _Vectors]) -> int:
    return sum(vectors.size for vectors in mine.values())
