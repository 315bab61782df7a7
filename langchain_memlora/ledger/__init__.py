"""What is true: the durable record of turns, memories and operations (SQLite in WAL mode)."""

from langchain_memlora.ledger.ledger import AlreadyDoneError, Ledger
from langchain_memlora.ledger.memories import Change, TurnStatus, new_id
from langchain_memlora.ledger.rows import MEMORY, TURN, now
from langchain_memlora.ledger.turns import Job

__all__ = ["MEMORY", "TURN", "AlreadyDoneError", "Change", "Job", "Ledger", "TurnStatus", "new_id", "now"]
