"""The numbered changes of a ledger, and what each index has applied of them."""

from __future__ import annotations

from sqlalchemy import delete, func, select, update

from langchain_memlora.ledger.database import Database
from langchain_memlora.ledger.rows import insert_new
from langchain_memlora.ledger.schema import changes, indexes


class ChangeLog:
    """The part of a ledger that indexes are kept in step by. Every method is one transaction."""

    database: Database

    def changed_since(self, index: str, limit: int = 1000) -> tuple[dict[tuple[str, str], None], int, int]:
        """Return the items (each once) that an index has not applied, its last applied change, and the last one returned."""
        seen = self.applied(index)
        changed, last = self.changes_after(seen, limit)
        return changed, seen, last

    def changes_after(self, seq: int, limit: int = 1000) -> tuple[dict[tuple[str, str], None], int]:
        """Return the items (each once) that changed after a change, and the number of the last change returned."""
        with self.database.reading() as connection:
            later = select(changes).where(changes.c.seq > seq).order_by(changes.c.seq).limit(limit)
            rows = connection.execute(later).all()
        return {(row.kind, row.item_id): None for row in rows}, rows[-1].seq if rows else seq

    def last_change(self) -> int:
        """Return the number of the last change; 0 if there was none."""
        with self.database.reading() as connection:
            return connection.execute(select(func.max(changes.c.seq))).scalar() or 0

    def applied(self, index: str) -> int:
        """Return the last change that an index has applied; 0 for a new index."""
        with self.database.reading() as connection:
            return connection.execute(select(indexes.c.applied_seq).where(indexes.c.name == index)).scalar() or 0

    def mark_applied(self, index: str, seq: int, *, after: int) -> bool:
        """Record that an index has applied all changes up to one.

        Args:
            after: The last change it had applied when the items were read.

        Returns:
            `False`, with nothing recorded, if another writer has applied changes since: what was written may be stale.
        """
        with self.database.writing() as connection:
            if after == 0:
                return insert_new(connection, indexes, {"name": index, "applied_seq": seq})
            unmoved = (indexes.c.name == index) & (indexes.c.applied_seq == after)
            return connection.execute(update(indexes).where(unmoved).values(applied_seq=seq)).rowcount == 1

    def forget_applied(self, index: str) -> None:
        """Make an index start again from the first change."""
        with self.database.writing() as connection:
            connection.execute(delete(indexes).where(indexes.c.name == index))

    def waiting(self, index: str) -> int:
        """Return the number of changes that an index has not applied yet."""
        with self.database.reading() as connection:
            seen = connection.execute(select(indexes.c.applied_seq).where(indexes.c.name == index)).scalar() or 0
            return connection.execute(select(func.count()).where(changes.c.seq > seen)).scalar_one()
