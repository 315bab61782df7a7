"""What is true: the durable record of turns, memories and operations (SQLite, or PostgreSQL)."""

from langchain_memlora.ledger.ledger import AlreadyDoneError, Ledger
from langchain_memlora.ledger.memories import Change, TurnStatus, new_id
from langchain_memlora.ledger.retention import Retention
from langchain_memlora.ledger.rows import MEMORY, TURN, WINDOW, now, said, said_after
from langchain_memlora.ledger.transfer import Imported
from langchain_memlora.ledger.turns import Job

__all__ = [
    "MEMORY",
    "TURN",
    "WINDOW",
    "AlreadyDoneError",
    "Change",
    "Imported",
    "Job",
    "Ledger",
    "Retention",
    "TurnStatus",
    "new_id",
    "now",
    "said",
    "said_after",
]
