"""Repair of full-text search from the tables. Only called inside a write transaction."""

from __future__ import annotations

from sqlalchemy import Connection, select

from langchain_memlora.ledger import lexical
from langchain_memlora.ledger.rows import MEMORY, TURN, WINDOW, said, said_after, select_memories, select_turns, to_turn
from langchain_memlora.ledger.schema import memories, turns
from langchain_memlora.ledger.withheld import is_withheld
from langchain_memlora.types import MemoryState, Scope, Turn


def rewrite_words(connection: Connection) -> int:
    """Rebuild full-text search from turns and memories; return the number of missing, wrong and extra entries."""
    found = lexical.rows(connection)
    lexical.remove_all(connection)
    active = select_memories().where(memories.c.state == MemoryState.ACTIVE)
    for row in connection.execute(active).all():
        lexical.put(connection, row.user_id, MEMORY, row.seq, row.id, row.text)
    hidden = set(connection.execute(select(turns.c.id).where(is_withheld())).scalars())
    last: dict[tuple[Scope, str], Turn | None] = {}
    for row in connection.execute(select_turns().order_by(turns.c.seq)).all():
        turn = to_turn(row)
        thread = (turn.scope, turn.thread_id)
        if turn.id in hidden:
            last[thread] = None
            continue
        lexical.put(connection, row.user_id, TURN, row.seq, row.id, said(turn))
        lexical.put(connection, row.user_id, WINDOW, row.seq, row.id, said_after(last.get(thread), turn))
        last[thread] = turn
    return len(found ^ lexical.rows(connection))
