"""The durable record of turns, memories and operations, in SQLite or PostgreSQL: the source of truth."""

from langchain_memlora.errors import moved_names
from langchain_memlora.ledger.job_states import AlreadyDoneError
from langchain_memlora.ledger.ledger import Ledger
from langchain_memlora.ledger.lexical import STOP_WORDS
from langchain_memlora.ledger.memories import TurnStatus
from langchain_memlora.ledger.new_operation import NewOperation, new_id
from langchain_memlora.ledger.reading import Closed, Reading, ReadingCounts
from langchain_memlora.ledger.recording import Recorded
from langchain_memlora.ledger.retention import Retention
from langchain_memlora.ledger.rows import MEMORY, TURN, WINDOW, now, said, said_after
from langchain_memlora.ledger.selection import Selection
from langchain_memlora.ledger.transfer import Imported
from langchain_memlora.ledger.turns import Job

__all__ = [
    "MEMORY",
    "STOP_WORDS",
    "TURN",
    "WINDOW",
    "AlreadyDoneError",
    "Closed",
    "Imported",
    "Job",
    "Ledger",
    "NewOperation",
    "Reading",
    "ReadingCounts",
    "Recorded",
    "Retention",
    "Selection",
    "TurnStatus",
    "new_id",
    "now",
    "said",
    "said_after",
]

__getattr__ = moved_names(
    __name__,
    {
        "Change": "langchain_memlora.ledger.NewOperation",
    },
)
